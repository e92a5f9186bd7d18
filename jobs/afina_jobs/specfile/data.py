"""Picks the Datasets and the AutoMLJobs, and the sources of the Datasets, out of a file's documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from afina_api.automljob import AutoMLJob
from afina_api.dataset import Dataset
from afina_jobs.specfile.documents import config_map_files, listed, name_of, of_kind, parse
from afina_jobs.specfile.yamllines import BadFileError, Document, Problem


@dataclass(frozen=True)
class LoadedDataset:
    """A Dataset and what stands for its mounted source."""

    dataset: Dataset
    files: Mapping[str, bytes] | None = None
    """Content of the ConfigMap that is its source."""
    folder: Path | None = None
    """The folder that stands for the volume that is its source."""


@dataclass(frozen=True)
class LoadedData:
    """Datasets, and AutoMLJobs that learn from them, in the order of the file."""

    datasets: Sequence[LoadedDataset]
    jobs: Sequence[AutoMLJob]


def load_data(documents: Sequence[Document], name: str | None, volumes: Mapping[str, Path], file: Path) -> LoadedData:
    """The Datasets and AutoMLJobs of a file.

    Args:
        documents: those of the file.
        name: of the only AutoMLJob to run; its Dataset is the only one then.
        volumes: folders that stand for PersistentVolumeClaims, by their names.
        file: the file, for messages.

    Raises:
        BadFileError: with every problem of the first document that is wrong, and its line.
    """
    data, jobs = of_kind(documents, "Dataset"), of_kind(documents, "AutoMLJob")
    for group in (data, jobs):
        _refuse_duplicates(group)
    chosen = [document for document in jobs if name in (None, name_of(document))]
    if name and not chosen:
        message = f"there is no AutoMLJob {name!r} in this file; there is: {listed(jobs) or 'none'}"
        raise BadFileError(Problem(1, "metadata.name", message))
    parsed = [_job(document, data) for document in chosen]
    wanted = {job.spec.dataset_ref.name for job in parsed}
    needed = [document for document in data if not name or name_of(document) in wanted]
    return LoadedData([_dataset(document, documents, volumes, file) for document in needed], parsed)


def _refuse_duplicates(found: Sequence[Document]) -> None:
    seen: dict[str, int] = {}
    for document in found:
        first = seen.setdefault(name_of(document), document.line())
        if first != document.line():
            message = f"{name_of(document)!r} is there twice, first on line {first}"
            raise BadFileError(Problem(document.line(("metadata", "name")), "metadata.name", message))


def _job(document: Document, data: Sequence[Document]) -> AutoMLJob:
    job = parse(AutoMLJob, document)
    wanted = job.spec.dataset_ref.name
    if wanted not in map(name_of, data):
        message = f"there is no Dataset {wanted!r} in this file; there is: {listed(data) or 'none'}"
        line = document.line(("spec", "datasetRef", "name"))
        raise BadFileError(Problem(line, "spec.datasetRef.name", message))
    return job


def _dataset(
    document: Document, documents: Sequence[Document], volumes: Mapping[str, Path], file: Path
) -> LoadedDataset:
    dataset = parse(Dataset, document)
    source = dataset.spec.source
    if source.config_map:
        path = ("spec", "source", "configMap", "name")
        return LoadedDataset(dataset, files=config_map_files(documents, source.config_map.name, document, path, file))
    if not source.volume:
        return LoadedDataset(dataset)
    claim = source.volume.claim_ref.name
    if claim not in volumes:
        message = f"say which folder stands for the volume {claim!r} on this machine: --volume {claim}=FOLDER"
        line = document.line(("spec", "source", "volume", "claimRef", "name"))
        raise BadFileError(Problem(line, "spec.source.volume.claimRef.name", message))
    return LoadedDataset(dataset, folder=volumes[claim])
