"""TuningJob: one Kubernetes Job whose pod runs the search, and what that Job needs."""
