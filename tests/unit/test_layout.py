"""The folders that hold packages must not become packages themselves; and what is large is imported late."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["api", "models", "operator", "jobs", "serving", "dev"])
def test_folder_is_not_a_package(folder: str) -> None:
    # An operator/__init__.py would shadow Python's own `operator` for whoever starts in the root.
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists()


def test_torch_is_imported_by_what_needs_it_alone() -> None:
    # It takes seconds, and most images do not have it.
    code = """
import importlib, pkgutil, sys, afina_jobs, afina_models
for package in (afina_jobs, afina_models):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
        assert "torch" not in sys.modules, module.name
"""
    subprocess.run([sys.executable, "-c", code], check=True)
