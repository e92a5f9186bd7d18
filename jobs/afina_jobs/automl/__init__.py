"""AutoML: from the volume of a Dataset to a leaderboard and a calibrated, exported, registered model."""
