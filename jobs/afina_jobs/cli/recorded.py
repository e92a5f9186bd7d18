"""What `afina results` and `afina plot` are about: a TuningJob in the cluster, or a folder of `afina run`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from afina_jobs.cli.kubectl import TUNING_JOB, KubectlError, get, namespace_option

if TYPE_CHECKING:
    from afina_jobs.results.record import Record

_NO_TRACKING = (
    "the status keeps no more: for all, say where MLflow is, with --tracking-uri or MLFLOW_TRACKING_URI"
    " (kubectl port-forward svc/afina-mlflow 5000 in the namespace of the installation makes it http://127.0.0.1:5000)"
)
_UNTRACKED = "the status keeps no more, and the job has no runs in MLflow"


def about_a_search() -> list[click.Parameter]:
    """The argument and the options that say which search a command is about."""
    return [
        click.Argument(["search"], nargs=-1, required=True, metavar="tuningjob NAME | FOLDER"),
        namespace_option("TuningJob"),
        click.Option(["--tracking-uri"], metavar="URI", help="Of MLflow  [default: $MLFLOW_TRACKING_URI]"),
    ]


def read(search: tuple[str, ...], namespace: str | None, tracking_uri: str | None) -> "Record":
    """What is known of the search; what is not is told on standard error.

    Raises:
        ClickException: nothing is; the message says why.
    """
    import optuna

    from afina_jobs.results.record import NoRecordError, read_folder

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if len(search) == 2 and search[0].lower() in TUNING_JOB:
            found = _of_job(get("tuningjob", search[1], namespace=namespace), tracking_uri)
        elif len(search) == 1:
            found = read_folder(Path(search[0]))
        else:
            raise click.UsageError("say `tuningjob NAME`, or the folder of a run on this machine")
    except (KubectlError, NoRecordError) as error:
        raise click.ClickException(str(error)) from error
    if found.missing:
        click.echo(f"note: {found.missing}", err=True)
    return found


def _of_job(job: dict[str, Any], tracking_uri: str | None) -> "Record":
    from afina_jobs.results.cluster import from_status

    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not job.get("status", {}).get("tracking"):
        return from_status(job, _UNTRACKED)
    if not uri:
        return from_status(job, _NO_TRACKING)
    from afina_jobs.results.tracked import from_mlflow  # takes seconds to import
    from afina_jobs.tracking.patience import set_patience

    set_patience()
    return from_mlflow(job, uri)
