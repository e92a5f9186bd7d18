"""For all tests."""

import gc

from afina_models.mlflowclient import prepare_mlflow

# Tests that import MLflow report to nobody. (It keeps the number of its session in the environment, too, from a thread:
# others that read the environment meanwhile fail.)
prepare_mlflow()

# A process of tests has millions of objects that stay, most of them imported: to look through them again and again for
# garbage took a sixth of its time.
gc.set_threshold(20_000)


def pytest_collection_finish() -> None:
    """Look for garbage in what the tests make, and nowhere else."""
    gc.freeze()
