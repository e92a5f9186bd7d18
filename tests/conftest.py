"""For all tests."""

from afina_models.mlflowclient import prepare_mlflow

# Tests that import MLflow report to nobody. (It keeps the number of its session in the environment, too, from a thread:
# others that read the environment meanwhile fail.)
prepare_mlflow()
