"""Every family keeps one contract: it learns, it repeats itself, and what is read back predicts the same."""

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from afina_jobs.automl.metrics import score
from afina_jobs.automl.models.base import Family, Order, Rows
from afina_jobs.automl.models.catalogue import FAMILIES, missing_package
from afina_jobs.process.limits import memory_bytes, processors
from afina_models.arrays import Array
from afina_models.formats import mlp

INSTALLED = [family for family in FAMILIES.values() if not missing_package(family)]
TASKS = {"two classes": (load_breast_cancer, 2), "three classes": (load_wine, 3), "numbers": (load_diabetes, 0)}


def some_rows(load: object, family: Family) -> tuple[Rows, Rows]:
    features, target = load(return_X_y=True)  # type: ignore[operator]
    if family.format.view == "Scaled":
        features = (features - features.mean(axis=0)) / features.std(axis=0)
    else:
        features[::7, 0] = np.nan
    order = np.random.default_rng(0).permutation(len(target))
    features, target = features[order].astype(np.float32), target[order]
    half = len(target) * 2 // 3
    return Rows(features[:half], target[:half]), Rows(features[half:], target[half:])


def an_order(family: Family, rows: Rows, classes: int, early: Rows | None, rounds: int | None = None) -> Order:
    metric = "LogLoss" if classes else "RMSE"
    return Order(rows, classes, metric, family.default, seed=1, threads=1, early=early, rounds=rounds)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS.keys())
@pytest.mark.parametrize("family", INSTALLED, ids=lambda family: family.name)
def test_a_family(family: Family, task: tuple[object, int], tmp_path: Path) -> None:
    load, classes = task
    train, test = some_rows(load, family)
    model = family.fit(an_order(family, train, classes, early=test))
    predicted = model.predict(test.features)
    assert predicted.shape == ((len(test.target), classes) if classes else (len(test.target),))
    assert better_than_guessing(predicted, train, test)

    file = tmp_path / f"model{family.format.suffix}"
    model.save(file)
    read = family.format.load(file)
    np.testing.assert_allclose(read.predict(test.features), predicted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(read.predict(test.features[3:4])[0], predicted[3], rtol=1e-5, atol=1e-6)

    again = family.fit(an_order(family, train, classes, early=test))
    np.testing.assert_array_equal(again.predict(test.features), predicted)
    if model.rounds:
        shorter = family.fit(an_order(family, train, classes, None, rounds=model.rounds))
        assert shorter.rounds == model.rounds


def better_than_guessing(predicted: Array, train: Rows, test: Rows) -> bool:
    if predicted.ndim == 2:
        shares = np.bincount(train.target) / len(train.target)
        guess = np.tile(shares, (len(test.target), 1))
        return score("LogLoss", test.target, predicted) < 0.5 * score("LogLoss", test.target, guess)
    return score("R2", test.target, predicted) > 0.2


@pytest.mark.parametrize("name", ["LightGBM", "XGBoost"])
def test_queries_are_ranked(name: str) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(600, 4)).astype(np.float32)
    groups = np.repeat(np.arange(60), 10)
    target = np.clip(np.round(features[:, 0] + 1.5), 0, 4)
    early = Rows(features[400:], target[400:], groups[400:])
    order = Order(
        Rows(features[:400], target[:400], groups[:400]), 0, "NDCG", FAMILIES[name].default, 0, 1, early=early
    )
    predicted = FAMILIES[name].fit(order).predict(early.features)
    assert score("NDCG", early.target, predicted, early.groups) > 0.95
    assert score("NDCG", early.target, -predicted, early.groups) < 0.7


@pytest.mark.parametrize("family", INSTALLED, ids=lambda family: family.name)
def test_a_class_that_the_training_rows_lack_is_improbable(family: Family) -> None:
    rng = np.random.default_rng(0)
    rows = Rows(rng.normal(size=(90, 3)).astype(np.float32), rng.integers(0, 2, 90) * 2)
    predicted = family.fit(an_order(family, rows, 3, None, rounds=5)).predict(rows.features)
    assert predicted.shape == (90, 3)
    assert predicted.sum(axis=1) == pytest.approx(np.ones(90), abs=1e-5)
    assert predicted[:, 1].max() < 0.34


def test_a_perceptron_predicts_from_arrays_alone(tmp_path: Path) -> None:
    weights = (np.array([[1.0, -1.0]]), np.array([[2.0], [3.0]]))
    model = mlp.Perceptron(weights, (np.zeros(2), np.array([0.5])), classes=0, middle=10.0, spread=2.0)
    model.save(tmp_path / "mlp.npz")
    assert mlp.load(tmp_path / "mlp.npz").predict(np.array([[1.0], [-1.0]])).tolist() == [15.0, 17.0]


def a_cgroup(folder: Path, lines: str, files: dict[str, str]) -> tuple[Path, Path]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "own").write_text(lines)
    return folder, folder / "own"


def test_version_2_limits(tmp_path: Path) -> None:
    place = a_cgroup(tmp_path, "0::/pod\n", {"pod/cpu.max": "50000 100000\n", "pod/memory.max": "1048576\n"})
    assert processors("64", *place) == 1
    assert memory_bytes(*place) == 2**20


def test_version_1_limits(tmp_path: Path) -> None:
    files = {
        "cpu,cpuacct/pod/cpu.cfs_quota_us": "100000",
        "cpu,cpuacct/pod/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": "4096",
    }
    place = a_cgroup(tmp_path, "3:cpu,cpuacct:/pod\n2:memory:/elsewhere\n", files)
    assert processors("64", *place) == 1
    assert memory_bytes(*place) == 4096


def test_no_limits(tmp_path: Path) -> None:
    place = a_cgroup(tmp_path, "0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"})
    assert processors("500m", *place) == 1
    assert processors("64", *place) == len(os.sched_getaffinity(0))
    assert memory_bytes(*place) > 2**30
