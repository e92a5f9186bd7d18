"""What MLflow imports beside being a client."""

import os
import subprocess
import sys

import pytest

_IMPORTED = """\
from afina_models.mlflowclient import prepare_mlflow
prepare_mlflow()
from mlflow import MlflowClient
import sys
print(*(name for name, module in sys.modules.items() if module))
"""


@pytest.mark.parametrize(("uri", "whole"), [("http://mlflow:5000", False), ("sqlite:///mlflow.db", True), ("", True)])
def test_a_client_of_a_server_does_not_import_what_is_for_others(uri: str, whole: bool) -> None:
    env = os.environ | {"MLFLOW_TRACKING_URI": uri}
    found = subprocess.run([sys.executable, "-c", _IMPORTED], env=env, capture_output=True, text=True, check=True)
    names = set(found.stdout.split())
    assert "mlflow.tracking.client" in names
    assert ({"fastapi", "mlflow.gateway", "mlflow.genai.judges"} <= names) is whole
    assert whole or not names & {"fastapi", "mlflow.gateway", "mlflow.genai.judges"}
