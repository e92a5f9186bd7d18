"""What `afina run` is to do: a file's TuningJob, or its Datasets and AutoMLJobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from afina_api import API_VERSION
from afina_api.tuningjob import TuningJob
from afina_jobs.builtin.settings import BuiltinSettingsError, check
from afina_jobs.specfile.data import LoadedData, load_data
from afina_jobs.specfile.documents import (
    config_map_files,
    kinds_listed,
    listed,
    name_of,
    of_kind,
    parse,
    read_documents,
)
from afina_jobs.specfile.yamllines import BadFileError, Document, Problem


@dataclass(frozen=True)
class LoadedJob:
    """A TuningJob and the files that come with it."""

    job: TuningJob
    files: Mapping[str, bytes]
    """Content of the source ConfigMap; empty without one."""


def load(file: Path, name: str | None, volumes: Mapping[str, Path]) -> LoadedJob | LoadedData:
    """What a file asks for.

    Args:
        file: of YAML documents, as `kubectl apply -f` takes it.
        name: which job, where there are several.
        volumes: folders that stand for PersistentVolumeClaims, by their names.

    Raises:
        BadFileError: with every problem and its line.
        OSError: the file cannot be read.
    """
    documents = read_documents(file)
    data = [*of_kind(documents, "Dataset"), *of_kind(documents, "AutoMLJob")]
    if not data:
        return load_job(documents, name, file)
    if jobs := of_kind(documents, "TuningJob"):
        message = "a TuningJob runs from a file of its own here: move it out of the one with Datasets and AutoMLJobs"
        raise BadFileError(Problem(jobs[0].line(("kind",)), "kind", message))
    return load_data(documents, name, volumes, file)


def load_job(documents: Sequence[Document], name: str | None, file: Path) -> LoadedJob:
    """The TuningJob among the documents of a file; with several in it, the one of that name.

    Raises:
        BadFileError: with every problem and its line.
    """
    chosen = _choose(documents, name)
    job = parse(TuningJob, chosen)
    if job.spec.trial.builtin:
        try:
            check(job.spec)
        except BuiltinSettingsError as error:
            raise BadFileError(Problem(chosen.line(error.path), "", str(error))) from error
    if not job.spec.trial.source:
        return LoadedJob(job, {})
    path = ("spec", "trial", "source", "configMapRef", "name")
    return LoadedJob(job, config_map_files(documents, job.spec.trial.source.config_map_ref.name, chosen, path, file))


def _choose(documents: Sequence[Document], name: str | None) -> Document:
    jobs = of_kind(documents, "TuningJob")
    named = [document for document in jobs if name in (None, name_of(document))]
    if len(named) == 1:
        return named[0]
    if not jobs:
        kinds = kinds_listed(documents) or "nothing"
        message = f"there is no TuningJob, Dataset or AutoMLJob ({API_VERSION}) in this file, only: {kinds}"
        raise BadFileError(Problem(1, "kind", message))
    message = f"choose one of the TuningJobs in this file with --name: {listed(jobs)}"
    raise BadFileError(Problem(jobs[0].line(), "metadata.name", message))
