"""Dataset: a driver that reads."""
