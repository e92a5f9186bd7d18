"""MLflow is for agents and language models, too, and reports to its makers; here it is the client of a server."""

import os
import sys
import warnings
from types import ModuleType

from afina_models.imports import do_without


def prepare_mlflow() -> None:
    """Let MLflow report to nobody, here and in processes that start here, and be imported in two thirds of the time.

    Before MLflow is imported. What the environment says of its reports and progress bars stands. Where the environment
    names no server, MLflow may be a store itself, which needs all of it.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if not sys.stderr.isatty():
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # junk in a log
    # requests hides it, unless another thread puts the filters back as they were meanwhile.
    warnings.filterwarnings("ignore", "SOCKS support in urllib3")
    if os.environ.get("MLFLOW_TRACKING_URI", "").startswith("http"):
        do_without("mlflow.gateway")
        # It is imported even so: it may be empty, but must be there.
        sys.modules.setdefault("mlflow.genai", ModuleType("mlflow.genai"))
