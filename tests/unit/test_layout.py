"""The folders that hold packages must not become packages themselves."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["api", "operator", "jobs", "serving", "dev"])
def test_folder_is_not_a_package(folder: str) -> None:
    # An operator/__init__.py would shadow Python's own `operator` for whoever starts in the root.
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists()
