"""Finds objects among a file's documents, and makes models of them."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from afina_api.base import Model
from afina_jobs.specfile.problems import problems_of
from afina_jobs.specfile.yamllines import BadFileError, Document, Problem, field, load_documents

_FILE_NAME = re.compile(r"[-._a-zA-Z0-9]{1,253}")
"""What Kubernetes allows as a key of a ConfigMap: no path."""

M = TypeVar("M", bound=Model)


def read_documents(file: Path) -> list[Document]:
    """The documents of a file.

    Raises:
        BadFileError: it is no YAML.
        OSError: it cannot be read.
    """
    try:
        return load_documents(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadFileError(Problem(1, "", f"this is no text in UTF-8: {error.reason}")) from error


def of_kind(documents: Sequence[Document], kind: str) -> list[Document]:
    """The documents of a kind, in their order."""
    return [document for document in documents if _get(document, "kind") == kind]


def name_of(document: Document) -> str:
    """The object's name; a question mark where it has none."""
    metadata = _get(document, "metadata")
    return str(metadata.get("name")) if isinstance(metadata, dict) else "?"


def listed(documents: Sequence[Document]) -> str:
    """Names and lines, for a message."""
    return ", ".join(f"{name_of(document)} (line {document.line()})" for document in documents)


def kinds_listed(documents: Sequence[Document]) -> str:
    """Kinds and lines, for a message."""
    return ", ".join(f"{_get(document, 'kind')} (line {document.line()})" for document in documents)


def parse(model: type[M], document: Document) -> M:
    """The document as a model.

    Raises:
        BadFileError: with every problem and its line.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise BadFileError(*problems_of(error, document, model)) from error


def config_map_files(
    documents: Sequence[Document], wanted: str, by: Document, path: Sequence[str], file: Path
) -> dict[str, bytes]:
    """The files of a ConfigMap.

    Args:
        documents: those of the file.
        wanted: name of the ConfigMap.
        by: the document that names it.
        path: the field that does.
        file: the file, for messages.

    Raises:
        BadFileError: it is not there, or its entries are no files.
    """
    for document in of_kind(documents, "ConfigMap"):
        if name_of(document) == wanted:
            return _files(document)
    how = f"kubectl create configmap {wanted} --from-file=FILE --dry-run=client -o yaml >> {file}"
    message = f"there is no ConfigMap {wanted!r} in this file; add it after a line of ---, say with: {how}"
    raise BadFileError(Problem(by.line(path), field(path), message))


def _get(document: Document, key: str) -> Any:
    return document.data.get(key) if isinstance(document.data, dict) else None


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
