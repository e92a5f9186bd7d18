"""Namespaces for the operator's tests."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.lab import ControlPlane, Lab

_serial = itertools.count()


@pytest.fixture
def lab(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Lab]:
    """A namespace of its own; the operators that the test starts in it end with it."""
    namespace = f"lab-{next(_serial)}"
    with control_plane.client() as api:
        assert api.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}).is_success
        found = Lab(control_plane, api, namespace, tmp_path)
        yield found
        for operator in found.operators:
            operator.kill()
