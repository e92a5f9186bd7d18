"""How long MLflow's client waits for its server."""

import os

_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""A server that does not answer is not tried for minutes inside a request."""


def set_patience() -> None:
    """Let requests of this process fail soon, unless its environment says otherwise."""
    os.environ.update({name: value for name, value in _SETTINGS.items() if name not in os.environ})
