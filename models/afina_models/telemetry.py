"""MLflow's client reports to its makers, unless it is told not to."""

import os


def send_no_telemetry() -> None:
    """Let MLflow in this process and those that it starts report to nobody, unless its environment says otherwise.

    Before MLflow is imported.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
