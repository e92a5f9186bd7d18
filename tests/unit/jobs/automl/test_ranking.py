"""Ranking: its metric, and the example's data from the file to a model that beats chance by far."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import ndcg_score

from afina_jobs.automl.learn import Place, Progress, learn
from afina_jobs.automl.metrics import score
from support.datasets import a_dataset, an_automl_job

EXAMPLE = Path(__file__).parents[4] / "manifests" / "21-automljob-ranking.yaml"
RNG = np.random.default_rng(0)


def the_examples_table() -> pd.DataFrame:
    files = next(one for one in yaml.safe_load_all(EXAMPLE.read_text()) if one["kind"] == "ConfigMap")
    return pd.read_csv(io.StringIO(files["data"]["baseball.csv"]))


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Progress:
    folder = tmp_path_factory.mktemp("ranking")
    place = Place(
        a_dataset(folder / "dataset", the_examples_table(), {"position": "Categorical"}),
        folder / "study",
        folder / "work",
    )
    job = an_automl_job(target="pay_grade", task="Ranking", validation={"folds": 3, "groupColumn": "team"})
    return asyncio.run(learn(job, place, lambda _progress: None))


def test_the_example_beats_chance_by_far(learned: Progress) -> None:
    table = the_examples_table()
    grades, teams = table["pay_grade"].to_numpy(float), table["team"].to_numpy()
    chance = np.mean([score("NDCG", grades, RNG.normal(size=len(table)), teams) for _ in range(20)])
    assert chance < 0.75
    assert learned.scores["NDCG"] > 0.85
    assert {line.name for line in learned.leaderboard} >= {"Linear", "LightGBM"}
    assert all(line.score and line.score > 0.82 for line in learned.leaderboard)


@pytest.mark.parametrize("distinct", [1, 2, 5, 1000])
def test_ndcg_is_that_of_scikit_learn(distinct: int) -> None:
    for _ in range(20):
        truth = RNG.integers(0, 5, 12).astype(float)
        truth[:2] = 0, 4
        predicted = RNG.integers(0, distinct, 12) / distinct
        known = ndcg_score([np.exp2(truth) - 1], [predicted])
        assert score("NDCG", truth, predicted, np.zeros(12)) == pytest.approx(known)


def test_a_constant_ranks_no_better_for_the_order_of_the_file() -> None:
    truth = np.array([4.0, 3, 2, 1, 0])
    same = np.zeros(5)
    assert score("NDCG", truth, same, same) == score("NDCG", truth[::-1], same, same) < 0.8
