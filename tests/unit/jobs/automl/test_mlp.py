"""The perceptron, fitted by the real torch: what it learns that a line cannot, and what must not upset it."""

import dataclasses
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from optuna.trial import TrialState

from afina_jobs.automl import search
from afina_jobs.automl.features import pipeline
from afina_jobs.automl.features.tables import from_table
from afina_jobs.automl.learn import Place, learn
from afina_jobs.automl.metrics import score
from afina_jobs.automl.models import linear, mlp
from afina_jobs.automl.models.base import Order, Rows
from afina_models.arrays import Array
from afina_models.formats import mlp as kept
from support.datasets import a_dataset, an_automl_job

from .test_search import trials_of


def rings(rows: int = 600) -> Rows:
    """Two classes, one around the other, among features that say nothing."""
    features = np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32)
    return Rows(features, (np.hypot(features[:, 0], features[:, 1]) > 1.2).astype(int))


def waves(rows: int = 600) -> Rows:
    features = np.random.default_rng(0).uniform(-2, 2, size=(rows, 3)).astype(np.float32)
    return Rows(features, 1_000 + 50 * features[:, 0] ** 2 - 30 * np.abs(features[:, 1]))


def parts(rows: Rows) -> tuple[Rows, Rows, Rows]:
    """To fit, to stop early by, and to judge."""
    ends = (0, len(rows.target) // 2, len(rows.target) * 2 // 3, len(rows.target))
    first, second, third = (Rows(rows.features[a:b], rows.target[a:b]) for a, b in pairwise(ends))
    return first, second, third


def an_order(rows: Rows, classes: int, early: Rows | None = None, **changes: object) -> Order:
    order = Order(rows, classes, "LogLoss" if classes else "RMSE", mlp.FAMILY.default, 1, 1, early=early)
    return dataclasses.replace(order, **changes)  # type: ignore[arg-type]


def all_weights(model: kept.Perceptron) -> list[Array]:
    return [*model.weights, *model.biases]


@pytest.mark.parametrize(("rows", "classes"), [(rings(), 2), (waves(), 0)], ids=["classes", "numbers"])
def test_learns_what_a_line_cannot(rows: Rows, classes: int) -> None:
    train, early, test = parts(rows)
    order = an_order(train, classes, early)
    line = linear.fit(dataclasses.replace(order, params=linear.FAMILY.default))
    own = mlp.fit(order)
    metric = order.metric
    assert score(metric, test.target, own.predict(test.features)) < 0.5 * score(
        metric, test.target, line.predict(test.features)
    )
    assert own.rounds
    assert own.rounds > 1


def test_one_seed_gives_one_set_of_weights() -> None:
    train, early, _ = parts(rings())
    first, again, other = (all_weights(mlp.fit(an_order(train, 2, early, seed=seed))) for seed in (1, 1, 2))
    assert all(np.array_equal(one, same) for one, same in zip(first, again, strict=True))
    assert not any(np.array_equal(one, same) for one, same in zip(first, other, strict=True))


@pytest.mark.parametrize(("rows", "classes"), [(rings(), 2), (waves(), 0)], ids=["classes", "numbers"])
def test_reads_back_bit_by_bit_what_it_exported(rows: Rows, classes: int, tmp_path: Path) -> None:
    train, early, test = parts(rows)
    model = mlp.fit(an_order(train, classes, early))
    model.save(tmp_path / "model.npz")
    read = kept.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(read.predict(test.features), model.predict(test.features))
    with zipfile.ZipFile(tmp_path / "model.npz") as opened:
        for name in opened.namelist():
            array = np.lib.format.read_array(opened.open(name), allow_pickle=False)
            assert array.dtype == (float if name == "about.npy" else np.float32)


def test_predicts_many_rows_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    train, early, test = parts(rings())
    model = mlp.fit(an_order(train, 2, early))
    whole = model.predict(test.features)
    assert model.predict(test.features[:0]).shape == (0, 2)
    monkeypatch.setattr(kept, "_CHUNK", 7)
    monkeypatch.setattr(mlp, "_CHUNK", 7)
    np.testing.assert_allclose(model.predict(test.features), whole, rtol=1e-12)
    same = mlp.fit(an_order(train, 2, early))
    assert same.rounds == model.rounds


def test_missing_values_and_categories_come_through_the_pipeline() -> None:
    rng = np.random.default_rng(0)
    colours = rng.choice(["red", "green", "blue"], 300)
    size = rng.normal(size=300)
    target = (colours == "red").astype(int)
    frame = pd.DataFrame({"size": np.where(rng.uniform(size=300) < 0.3, np.nan, size), "colour": colours})
    frame.loc[::10, "colour"] = None
    types = {"size": "Numeric", "colour": "Categorical"}
    fitted, plain = pipeline.fit(from_table(frame, types), types, target, 2, seed=0)
    features = fitted.view(plain, "Scaled")
    found = mlp.fit(an_order(Rows(features[:200], target[:200]), 2, Rows(features[200:], target[200:])))
    predicted = found.predict(features)
    assert np.isfinite(predicted).all()
    known = frame["colour"].notna().to_numpy()
    assert ((predicted[:, 1] > 0.5) == target)[known].mean() > 0.95


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_learns_from_a_few_rows_with_none_to_stop_by(rows: int) -> None:
    train, none = Rows(rings().features[:rows], rings().target[:rows]), Rows(rings().features[:0], rings().target[:0])
    model = mlp.fit(an_order(train, 2, none))
    assert (model.predict(train.features).argmax(axis=1) == train.target).all()
    numbers = Rows(train.features, np.full(rows, 7.0))
    assert mlp.fit(an_order(numbers, 0, None, rounds=3)).predict(train.features) == pytest.approx(
        np.full(rows, 7.0), abs=2
    )


def test_a_loss_that_is_no_number_is_told() -> None:
    train, early, _ = parts(rings())
    broken = Rows(np.full_like(train.features, np.nan), train.target)
    with pytest.raises(ArithmeticError, match="its loss is not finite"):
        mlp.fit(an_order(broken, 2, early))


async def test_the_end_of_the_budget_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found before the library of the same name, the file makes it hang."""
    monkeypatch.setattr(search, "_UNTRIED_SHARE", 1.0)  # on a busy machine it begins late
    rows = waves(200)
    frame = pd.DataFrame(rows.features, columns=list("abc")).assign(target=rows.target)
    place = Place(a_dataset(tmp_path / "dataset", frame), tmp_path / "study", tmp_path / "work")
    (place.workspace / "slot-0").mkdir(parents=True)
    (place.workspace / "slot-0" / "torch.py").write_text("import time; time.sleep(3600)")
    job = an_automl_job(models=["Linear", "MLP"], budget={"timeSeconds": 10, "maxModels": 3})
    found = await learn(job, place, lambda _progress: None)
    assert found.chosen.startswith("Linear")
    states = trials_of(job, place)
    assert TrialState.COMPLETE in states["Linear"]
    assert states["MLP"] == [TrialState.PRUNED]


async def test_it_competes_in_a_whole_job(tmp_path: Path) -> None:
    rows = rings(300)
    frame = pd.DataFrame(rows.features, columns=list("abcd")).assign(target=rows.target)
    place = Place(a_dataset(tmp_path / "dataset", frame), tmp_path / "study", tmp_path / "work")
    job = an_automl_job(models=["Linear", "MLP"], ensemble="None", budget={"timeSeconds": 120, "maxModels": 2})
    found = await learn(job, place, lambda _progress: None)
    assert found.chosen == "MLP"
