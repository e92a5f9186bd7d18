"""The search's history in MLflow."""
