"""TuningJob: a driver that searches."""
