"""Gets the model's files. As a program it downloads them: `python -m afina_serving.download SOURCE FOLDER`."""

import subprocess
import sys
from pathlib import Path

from afina_api.serving import ServerReason
from afina_models.digest import FILES
from afina_models.imports import without
from afina_models.mlflowclient import prepare_mlflow
from afina_serving.errors import StartError

_TIMEOUT_SECONDS = 1800
_MAX_MESSAGE = 1000


def fetched(source: str, folder: Path) -> Path:
    """The folder with the exported files.

    In a process of its own, because MLflow's client takes as much memory as the rest of the server.

    Args:
        source: of the registered version: a folder here, or a URI that MLflow knows.
        folder: where to download to.

    Raises:
        StartError: the files cannot be had.
    """
    if Path(source).is_dir():
        return Path(source) / FILES
    command = [sys.executable, "-P", "-m", "afina_serving.download", source, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired as error:
        message = f"{source} was not downloaded in {_TIMEOUT_SECONDS} s"
        raise StartError(ServerReason.MODEL_UNAVAILABLE, message) from error
    if done.returncode != 0:
        message = f"{source} cannot be downloaded: {done.stderr.strip()[-_MAX_MESSAGE:]}"
        raise StartError(ServerReason.MODEL_UNAVAILABLE, message)
    return Path(done.stdout.strip())


def main(source: str, folder: str) -> int:
    """Download, and write where to; or why not."""
    prepare_mlflow()
    # Of `models:/ID`, where MLflow 3 has models, a longer URI would mean something else.
    with without("numpy", "pandas", "pyarrow", "scipy"):  # half of the time that MLflow's client takes to import
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    Path(folder).mkdir(parents=True, exist_ok=True)
    try:
        found = get_artifact_repository(source).download_artifacts(FILES, folder)
    except Exception as error:  # whatever MLflow and its stack may raise
        sys.stderr.write(str(error))
        return 1
    sys.stdout.write(found)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
