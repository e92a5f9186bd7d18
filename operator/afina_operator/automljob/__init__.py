"""AutoMLJob: a driver that learns from a Dataset."""
