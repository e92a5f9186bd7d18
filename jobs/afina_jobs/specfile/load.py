"""Picks the TuningJob, and the ConfigMap with its source, out of a file's documents."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from afina_api import API_VERSION
from afina_api.tuningjob import TuningJob
from afina_jobs.builtin.settings import BuiltinSettingsError, check
from afina_jobs.specfile.problems import problems_of
from afina_jobs.specfile.yamllines import BadFileError, Document, Problem, load_documents

_FILE_NAME = re.compile(r"[-._a-zA-Z0-9]{1,253}")
"""What Kubernetes allows as a key of a ConfigMap: no path."""


@dataclass(frozen=True)
class LoadedJob:
    """A TuningJob and the files that come with it."""

    job: TuningJob
    files: Mapping[str, bytes]
    """Content of the source ConfigMap; empty without one."""


def load_job(file: Path, name: str | None) -> LoadedJob:
    """The TuningJob of a file; with several in it, the one of that name.

    Raises:
        BadFileError: with every problem and its line.
        OSError: the file cannot be read.
    """
    try:
        documents = load_documents(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadFileError(Problem(1, "", f"this is no text in UTF-8: {error.reason}")) from error
    chosen = _choose(documents, name)
    try:
        job = TuningJob.model_validate(chosen.data)
    except ValidationError as error:
        raise BadFileError(*problems_of(error, chosen)) from error
    if job.spec.trial.builtin:
        try:
            check(job.spec)
        except BuiltinSettingsError as error:
            raise BadFileError(Problem(chosen.line(error.path), "", str(error))) from error
    return LoadedJob(job, _source(job, chosen, documents, file))


def _choose(documents: Sequence[Document], name: str | None) -> Document:
    jobs = [document for document in documents if _get(document, "kind") == "TuningJob"]
    named = [document for document in jobs if name in (None, _name(document))]
    if len(named) == 1:
        return named[0]
    if not jobs:
        kinds = ", ".join(f"{_get(document, 'kind')} (line {document.line()})" for document in documents)
        raise BadFileError(
            Problem(1, "kind", f"there is no TuningJob ({API_VERSION}) in this file, only: {kinds or 'nothing'}")
        )
    names = ", ".join(f"{_name(document)} (line {document.line()})" for document in jobs)
    raise BadFileError(
        Problem(jobs[0].line(), "metadata.name", f"choose one of the TuningJobs in this file with --name: {names}")
    )


def _get(document: Document, key: str) -> Any:
    return document.data.get(key) if isinstance(document.data, dict) else None


def _name(document: Document) -> str:
    metadata = _get(document, "metadata")
    return str(metadata.get("name")) if isinstance(metadata, dict) else "?"


def _source(job: TuningJob, chosen: Document, documents: Sequence[Document], file: Path) -> dict[str, bytes]:
    """The files of the ConfigMap that the spec names."""
    if not job.spec.trial.source:
        return {}
    wanted = job.spec.trial.source.config_map_ref.name
    for document in documents:
        if _get(document, "kind") == "ConfigMap" and _name(document) == wanted:
            return _files(document)
    path = ("spec", "trial", "source", "configMapRef", "name")
    how = f"kubectl create configmap {wanted} --from-file=FILE --dry-run=client -o yaml >> {file}"
    message = f"there is no ConfigMap {wanted!r} in this file; add it after a line of ---, say with: {how}"
    raise BadFileError(Problem(chosen.line(path), "spec.trial.source.configMapRef.name", message))


def _files(document: Document) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    problems: list[Problem] = []
    for section, decode in (("data", str.encode), ("binaryData", _unbase64)):
        for key, value in (_get(document, section) or {}).items():
            try:
                found[key] = decode(value)
            except (TypeError, ValueError) as error:
                problems.append(_bad(document, section, key, f"must be text: {error}"))
            if not _FILE_NAME.fullmatch(str(key)) or key in (".", ".."):
                problems.append(_bad(document, section, key, "must be a file's name: letters, digits, - . _"))
    if problems:
        raise BadFileError(*problems)
    return found


def _unbase64(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _bad(document: Document, section: str, key: Any, message: str) -> Problem:
    return Problem(document.line((section, key)), f"{section}.{key}", message)
