"""The task, the metric and the folds follow from the data."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from afina_api.automljob import ModelValidation
from afina_jobs.automl.data import settle_data
from afina_jobs.automl.folds import copies_of, split
from afina_jobs.automl.metrics import score
from afina_jobs.automl.problem import CannotLearnError, Problem, encode, settle
from support.datasets import a_dataset, an_automl_job

WORDS = pd.Series(["no", "yes"] * 30, name="y")
HALVES = WORDS.map({"no": 0.5, "yes": 1.5})
FEW = pd.Series([1.0, 2.0, 3.0] * 30, name="y")
MANY = pd.Series(np.arange(60) * 1.5, name="y")

CASES = {
    "words are classes": (WORDS, "Categorical", "Auto", "Auto", Problem("Classification", "LogLoss", ("no", "yes"))),
    "few whole numbers are classes": (
        FEW, "Numeric", "Auto", "Auto", Problem("Classification", "LogLoss", ("1", "2", "3")),
    ),
    "two numbers are classes, whatever they are": (
        HALVES, "Numeric", "Auto", "Auto", Problem("Classification", "LogLoss", ("0.5", "1.5")),
    ),
    "many numbers are numbers": (MANY, "Numeric", "Auto", "Auto", Problem("Regression", "RMSE", ())),
    "the metric decides the task": (FEW, "Numeric", "Auto", "MAE", Problem("Regression", "MAE", ())),
    "ranking has its own metric": (FEW, "Numeric", "Ranking", "Auto", Problem("Ranking", "NDCG", ())),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_task_and_metric(case: tuple[pd.Series, str, str, str, Problem]) -> None:
    target, kind, task, metric, expected = case
    assert settle(target, kind, task, metric) == expected


def test_a_target_that_cannot_be_learned_is_named() -> None:
    with pytest.raises(CannotLearnError, match="'y' has one value only") as caught:
        settle(pd.Series([1.0] * 9, name="y"), "Numeric", "Auto", "Auto")
    assert caught.value.reason == "TargetUnusable"
    with pytest.raises(CannotLearnError, match="needs a numeric target"):
        settle(WORDS, "Categorical", "Regression", "Auto")


def test_codes_follow_the_order_of_the_classes() -> None:
    assert encode(WORDS, Problem("Classification", "LogLoss", ("no", "yes")))[:3].tolist() == [0, 1, 0]


def a_frame(rows: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"x": rng.normal(size=rows), "group": np.arange(rows) // 4, "time": rng.permutation(rows) // 2})


def test_every_row_is_tested_once_and_never_held_out() -> None:
    frame = a_frame()
    codes = np.arange(200) % 2
    splits = split(frame, codes, ModelValidation(folds=4), np.arange(200), seed=1)
    tested = np.concatenate([test for _, test in splits.folds])
    assert sorted(tested) == list(range(len(splits.development)))
    assert not set(splits.development) & set(splits.holdout)
    assert all(abs(codes[splits.development][test].mean() - 0.5) < 0.05 for _, test in splits.folds)
    assert splits.digest == split(frame, codes, ModelValidation(folds=4), np.arange(200), seed=1).digest
    assert splits.digest != split(frame, codes, ModelValidation(folds=4), np.arange(200), seed=2).digest


def test_copies_of_a_row_stay_on_one_side() -> None:
    frame = a_frame().drop(columns=["group", "time"])
    doubled = pd.concat([frame, frame.iloc[:60]], ignore_index=True)
    splits = split(doubled, None, ModelValidation(folds=3), copies_of(doubled, doubled["x"] > 0), seed=0)
    values = doubled["x"].to_numpy()
    assert not set(values[splits.development]) & set(values[splits.holdout])
    for train, test in splits.folds:
        assert not set(values[splits.development][train]) & set(values[splits.development][test])


def test_data_that_repeats_by_nature_is_not_grouped() -> None:
    coins = pd.DataFrame({"heads": [True, False] * 50})
    guesses = pd.Series([True, True, False, False] * 25)
    assert copies_of(coins, guesses).tolist() == list(range(100))


def test_data_that_was_copied_whole_is_grouped() -> None:
    throws, guesses = pd.DataFrame({"throw": range(100)}), pd.Series([True, True, False, False] * 25)
    twice, again = (pd.concat([part, part], ignore_index=True) for part in (throws, guesses))
    assert copies_of(twice, again).tolist() == 2 * copies_of(throws, guesses).tolist()


def test_groups_stay_on_one_side() -> None:
    frame = a_frame()
    splits = split(frame, None, ModelValidation(group_column="group"), np.arange(200), seed=0)
    groups = frame["group"].to_numpy()
    assert not set(groups[splits.development]) & set(groups[splits.holdout])
    for train, test in splits.folds:
        assert not set(groups[splits.development[train]]) & set(groups[splits.development[test]])


def test_models_are_tested_on_later_rows() -> None:
    frame = a_frame()
    splits = split(frame, None, ModelValidation(time_column="time"), np.arange(200), seed=0)
    times = frame["time"].to_numpy()
    assert times[splits.development].max() < times[splits.holdout].min()
    for train, test in splits.folds:
        assert times[splits.development[train]].max() < times[splits.development[test]].min()


def test_too_few_groups_are_told() -> None:
    with pytest.raises(CannotLearnError, match=r"lower validation\.folds"):
        split(a_frame(12), None, ModelValidation(group_column="group"), np.arange(12), seed=0)


def test_metrics_against_values_worked_out_by_hand() -> None:
    truth, chances = np.array([0, 1, 1]), np.array([[0.5, 0.5], [0.25, 0.75], [0.75, 0.25]])
    assert score("LogLoss", truth, chances) == pytest.approx(-np.log([0.5, 0.75, 0.25]).mean())
    assert score("AUC", truth, chances) == 0.5
    assert score("Accuracy", truth, chances, threshold=0.6) == pytest.approx(2 / 3)
    assert score("Accuracy", truth, chances, threshold=0.2) == pytest.approx(2 / 3)
    assert score("NDCG", np.array([0.0, 1.0]), np.array([2.0, 1.0])) == pytest.approx(1 / np.log2(3))


def test_a_job_does_not_go_on_with_other_data(tmp_path: Path) -> None:
    spec = an_automl_job().spec
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=100), "target": [0, 1] * 50})
    dataset = a_dataset(tmp_path / "dataset", frame)
    for _ in range(2):
        settle_data(spec, dataset, tmp_path / "settled", 1)
    a_dataset(dataset, frame.assign(x=2 * frame["x"]), digest="sha256:1")
    with pytest.raises(CannotLearnError, match=r"begun with the data sha256:\w+, and the Dataset holds sha256:\w+"):
        settle_data(spec, dataset, tmp_path / "settled", 1)
