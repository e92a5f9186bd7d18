"""YAML documents that know the line of each of their fields."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

Path = Sequence[str | int]
"""Where a field is: names and indexes from the top of the document."""


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file, and where."""

    line: int
    """From 1."""
    field: str
    """Path of the field, such as `spec.parameters[0].float.max`; empty for the file as a whole."""
    message: str
    """What is wrong with it and what is allowed."""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class BadFileError(Exception):
    """A file is not what it should be."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"line {problem.line}: {problem}" for problem in problems))
        self.problems = sorted(problems, key=lambda problem: problem.line)


class _Loader(yaml.SafeLoader):
    """Reads scalars as Kubernetes does, where PyYAML differs: `1e-3` is a number, `2026-01-01` is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)


@dataclass(frozen=True)
class Document:
    """One document of a file."""

    data: Any
    node: yaml.Node

    def line(self, path: Path = ()) -> int:
        """Line of the field, or of the nearest one around it that is there."""
        node, line = self.node, self.node.start_mark.line + 1
        for part in path:
            found = _child(node, part)
            if found is None:
                return line
            mark, node = found
            line = mark.line + 1
        return line


def load_documents(text: str) -> list[Document]:
    """The documents of a file; empty ones are left out.

    Raises:
        BadFileError: it is no YAML, or names a field twice.
    """
    try:
        loader = _Loader(text)
        nodes = list(_nodes(loader))
        documents = [Document(loader.construct_document(node), node) for node in nodes]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadFileError(Problem(mark.line + 1 if mark else 1, "", f"this is no YAML: {_why(error)}")) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadFileError(Problem(line, "", f"this is no text: {error.reason}")) from error
    twice = [problem for node in nodes for problem in _duplicates(node, ())]
    if twice:
        raise BadFileError(*twice)
    return [document for document in documents if document.data is not None]


def _nodes(loader: _Loader) -> Iterator[yaml.Node]:
    while loader.check_node():
        node = loader.get_node()
        if node is not None:
            yield node


def _why(error: yaml.MarkedYAMLError) -> str:
    return ", ".join(filter(None, (error.problem, error.context, error.note)))


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark, item
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark, value
    return None


def _duplicates(node: yaml.Node, path: Path) -> Iterator[Problem]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicates(item, (*path, index))
    if isinstance(node, yaml.MappingNode):
        seen: dict[Any, int] = {}
        for key, value in node.value:
            where = (*path, str(key.value))
            if key.value in seen:
                first = seen[key.value]
                yield Problem(key.start_mark.line + 1, field(where), f"is there twice, first on line {first}")
            seen.setdefault(key.value, key.start_mark.line + 1)
            yield from _duplicates(value, where)


def field(path: Path) -> str:
    """A path as people write it: `spec.parameters[0].name`."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return words.removeprefix(".")
