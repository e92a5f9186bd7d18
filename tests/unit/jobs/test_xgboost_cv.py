"""The built-in objective, called as the worker calls it."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from xgboost import XGBClassifier

from afina_api.tuningjob import TuningJobSpec
from afina_jobs.builtin.settings import TUNABLE, BuiltinSettingsError, XGBoostCV, check
from afina_jobs.builtin.xgboost_cv import objective
from afina_jobs.worker import Trial
from support.searches import a_job

PARAMS = {"max_depth": 2, "n_estimators": 5, "booster": "gbtree"}
DATASETS = {
    "breast_cancer": ("auc", 0.9, {"accuracy", "auc", "logloss"}),
    "wine": ("accuracy", 0.8, {"accuracy", "logloss"}),
    "digits": ("accuracy", 0.5, {"accuracy", "logloss"}),
    "diabetes": ("r2", 0.1, {"rmse", "mae", "r2"}),
}


@pytest.mark.parametrize("dataset", DATASETS)
def test_measures_the_data_set_fold_by_fold(dataset: str) -> None:
    metric, at_least, metrics = DATASETS[dataset]
    replies = StringIO()
    evaluate = objective(dataset=dataset, folds=3, threads=1)
    found = evaluate(PARAMS, Trial(0, Path(), [metric], replies))
    reports = [json.loads(line) for line in replies.getvalue().splitlines()]
    assert set(found) == metrics == set(XGBoostCV(dataset=dataset).metrics)
    assert found[metric] > at_least
    assert [report["step"] for report in reports] == [0, 1, 2]
    assert reports[-1]["values"] == [found[metric]]
    assert evaluate(PARAMS, Trial(1, Path(), [metric], StringIO())) == found


def test_offers_only_parameters_that_xgboost_has() -> None:
    assert set(TUNABLE) <= set(XGBClassifier().get_params())


@pytest.mark.parametrize(
    ("config", "path", "words"),
    [
        ({"folds": 11}, "folds", "less than or equal to 10"),
        ({"fold": 3}, "fold", "there are: dataset, folds"),
        ({"dataset": "iris"}, "dataset", "'diabetes'"),
    ],
)
def test_names_the_setting_that_is_wrong(config: dict[str, Any], path: str, words: str) -> None:
    spec = TuningJobSpec.model_validate(a_job(builtin={"name": "xgboost-cv", "config": config})["spec"])
    with pytest.raises(BuiltinSettingsError, match=words) as error:
        check(spec)
    assert error.value.path == ("spec", "trial", "builtin", "config", path)
