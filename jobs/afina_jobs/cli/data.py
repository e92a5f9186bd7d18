"""`afina run`: Datasets and AutoMLJobs on this machine, one after the other, from the specs to the summaries."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from rich.console import Console

from afina_api.automljob import AutoMLJob
from afina_api.dataset import Dataset
from afina_jobs.automl.learn import Place as LearningPlace
from afina_jobs.automl.run import Ending, end_of
from afina_jobs.cli.datadisplay import LearningDisplay, dataset_summary, job_opening, job_summary
from afina_jobs.cli.folder import alone, write_files
from afina_jobs.cli.logs import log_to
from afina_jobs.dataset.build import Outcome, Place, build
from afina_jobs.dataset.sources.addresses import AllowList
from afina_jobs.dataset.volume import MARKER
from afina_jobs.signals import until_signalled
from afina_jobs.specfile.data import LoadedData, LoadedDataset

EXIT_ENDED = 0
EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def run_data(loaded: LoadedData, root: Path) -> int:
    """Make the Datasets and run the AutoMLJobs of a file until one fails; the exit code.

    Args:
        loaded: what the file holds.
        root: gets a folder for each, `dataset.NAME` or `automljob.NAME`.
    """
    console = Console(highlight=False, soft_wrap=True)
    datasets = [(_folder(root, one.dataset), one) for one in loaded.datasets]
    jobs = [(_folder(root, job), job) for job in loaded.jobs]
    with ExitStack() as locks:
        for folder in [folder for folder, _ in datasets] + [folder for folder, _ in jobs]:
            locks.enter_context(alone(folder))
        for folder, one in datasets:
            if code := _make(one, folder, console):
                return code
        for folder, job in jobs:
            if code := _learn(job, root.resolve() / f"dataset.{job.spec.dataset_ref.name}", folder, console):
                return code
    return EXIT_ENDED


def _folder(root: Path, one: Dataset | AutoMLJob) -> Path:
    return root.resolve() / f"{one.kind.lower()}.{one.metadata.name}"


def _make(loaded: LoadedDataset, folder: Path, console: Console) -> int:
    name = loaded.dataset.metadata.name
    log_to(folder / "log.txt", lambda line: console.print(line, markup=False), "afina_jobs.dataset")
    console.print(f"Dataset {name}")
    # The source may have changed since the last run: nothing here is immutable, as it is in a cluster.
    (folder / MARKER).unlink(missing_ok=True)
    try:
        with TemporaryDirectory(dir=folder) as work:
            found = _build(loaded, folder, Path(work))
    except KeyboardInterrupt:
        console.print("Interrupted. The same command begins this Dataset again.")
        return EXIT_INTERRUPTED
    console.print(dataset_summary(found, folder), markup=False)
    return EXIT_ENDED if found.succeeded else EXIT_FAILED


def _build(loaded: LoadedDataset, folder: Path, work: Path) -> Outcome:
    mounted = loaded.folder if loaded.files is None else write_files(loaded.files, work / "mounted")
    hosts = AllowList(_hosts(loaded.dataset))
    return build(loaded.dataset, Place(mounted, folder, work / "fetched", hosts, os.environ), datetime.now(UTC))


def _hosts(dataset: Dataset) -> Iterator[str]:
    """The hosts that the file names: whoever runs it here may ask them anyway."""
    source = dataset.spec.source
    url = source.http.url if source.http else source.s3.endpoint_url if source.s3 else None
    # Of one that is none the reading itself says why.
    with suppress(ValueError):
        parts = urlsplit(url or "")
        yield parts.netloc if parts.port else parts.hostname or ""


def _learn(job: AutoMLJob, dataset: Path, folder: Path, console: Console) -> int:
    display = LearningDisplay(console, job.spec)
    log_to(folder / "log.txt", display.say, "afina_jobs.automl.registry")
    console.print(job_opening(job), markup=False)
    if _has_other_data(dataset, folder):
        message = f"{folder} was begun with other data: remove it, or choose another place with --output"
        console.print(f"\nInvalidSpec: {message}", markup=False)
        return EXIT_FAILED
    shutil.copy(dataset / MARKER, folder / MARKER)
    with display:
        found = asyncio.run(_until_ended(_here(job, console), dataset, folder, display))
    if found is None:
        console.print(f"Interrupted. What has ended is kept in {folder}: the same command goes on from there.")
        return EXIT_INTERRUPTED
    console.print(job_summary(found, folder), markup=False)
    return EXIT_ENDED if found.succeeded else EXIT_FAILED


async def _until_ended(job: AutoMLJob, dataset: Path, folder: Path, display: LearningDisplay) -> Ending | None:
    place = LearningPlace(dataset, folder, folder / "work")
    return await until_signalled(end_of(job, place, display.progressed), [signal.SIGINT, signal.SIGTERM])


def _here(job: AutoMLJob, console: Console) -> AutoMLJob:
    """The job without its registration, where there is no registry."""
    if not job.spec.register_as or os.environ.get("MLFLOW_TRACKING_URI"):
        return job
    console.print(f"not registered as {job.spec.register_as}: MLFLOW_TRACKING_URI is not set", markup=False)
    spec = job.spec.model_copy(update={"register_as": None, "promotion": None})
    return job.model_copy(update={"spec": spec})


def _has_other_data(dataset: Path, folder: Path) -> bool:
    """Whether the folder has models that were judged on another version of the Dataset."""
    return (folder / "checkpoints").exists() and _version(folder / MARKER) != _version(dataset / MARKER)


def _version(marker: Path) -> tuple[str, str]:
    about = json.loads(marker.read_text())
    return about["digest"], about["specDigest"]
