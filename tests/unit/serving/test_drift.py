"""How far what is asked about is from what was learned from."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from afina_jobs.automl.export import Uncertainty
from afina_models.columns import Columns
from afina_models.digest import FILES
from afina_models.reference import reference
from afina_serving.drift import HALF_LIFE_ROWS, MIN_ROWS, InputDrift
from afina_serving.model import ServedModel
from afina_serving.settings import Identity
from support.model_servers import ModelServer
from support.models import HOUSE, SUMS, exported, sums


def numbers(count: int, mean: float, seed: int = 0) -> Columns:
    return {"x": np.random.default_rng(seed).normal(mean, 1, count)}


@pytest.fixture
def drift() -> InputDrift:
    return InputDrift(reference(numbers(2000, 0), {"x": "Numeric"}))


def test_says_nothing_of_few_rows(drift: InputDrift) -> None:
    drift.add(numbers(MIN_ROWS - 1, 0))
    assert drift.indices() == {}
    drift.add(numbers(1, 0))
    assert set(drift.indices()) == {"x"}


def test_one_row_at_a_time_is_many_rows(drift: InputDrift) -> None:
    rows = numbers(1000, 1)
    other = InputDrift(reference(numbers(2000, 0), {"x": "Numeric"}))
    other.add(rows)
    for value in rows["x"]:
        drift.add({"x": np.array([value])})
    assert drift.indices()["x"] == pytest.approx(other.indices()["x"], rel=0.02)


def test_what_is_long_ago_is_forgotten(drift: InputDrift) -> None:
    drift.add(numbers(HALF_LIFE_ROWS, 3))
    assert drift.indices()["x"] > 1
    for seed in range(8):
        drift.add(numbers(HALF_LIFE_ROWS, 0, seed))
    assert drift.indices()["x"] < 0.1


def test_counts_rows_of_several_threads(drift: InputDrift) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: drift.add(numbers(3, 0, seed)), range(400)))
    assert drift._rows + drift._pending_rows == 1200
    assert set(drift.indices()) == {"x"}


def test_columns_that_the_model_does_without_are_none_of_ours(tmp_path: Path) -> None:
    frame, target = sums()
    types = {**SUMS, "same": "Numeric"}
    known = exported(tmp_path, frame.assign(same=1.0), target, types, ["Linear"], (), Uncertainty())
    model = ServedModel.load(tmp_path / "model" / FILES, Identity("sums", "1", known, "mldep-sums-1"))
    model.predict({name: np.zeros(2 * MIN_ROWS) for name in model.types})
    assert set(model.drift.indices()) == set(SUMS)


def test_a_server_says_it(classifier: ModelServer) -> None:
    classifier.post("/predict", {"rows": [{**HOUSE, "town": "Atlantis"}] * 2 * MIN_ROWS})
    found = {name: classifier.metric("afina_model_input_drift", f'{{column="{name}"}}') for name in HOUSE}
    assert found["town"] > 1, "it learned of no Atlantis"
    assert found["note"] < found["town"]
