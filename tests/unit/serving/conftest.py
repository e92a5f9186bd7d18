"""Model servers that the tests of this folder share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from afina_serving.settings import Limits
from support.images import a_face_model
from support.model_servers import ModelServer, a_server
from support.models import a_classifier, a_regressor, an_ensemble_of_classes, an_ensemble_of_numbers
from support.slow_servers import Slow


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("classifier")
    with a_server(folder, a_classifier(folder), AFINA_MAX_BODY_BYTES="200000", AFINA_TIMEOUT_SECONDS="2") as server:
        yield server


@pytest.fixture(scope="session")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("regressor")
    with a_server(folder, a_regressor(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def ensemble_of_classes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("classes")
    with a_server(folder, an_ensemble_of_classes(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def ensemble_of_numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("numbers")
    with a_server(folder, an_ensemble_of_numbers(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def face_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where the model and the Dataset are that it learned from, and its digest."""
    folder = tmp_path_factory.mktemp("faces")
    return folder, a_face_model(folder)


@pytest.fixture(scope="session")
def imager(face_model: tuple[Path, str]) -> Iterator[ModelServer]:
    with a_server(*face_model) as server:
        yield server


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    with Slow(tmp_path, Limits(timeout_seconds=0.5, max_queue=2)) as found:
        yield found
