"""Cross-validated XGBoost on a data set that ships with scikit-learn. Runs in a worker, like a user's function."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets, metrics
from sklearn.model_selection import KFold, StratifiedKFold
from xgboost import XGBClassifier, XGBRegressor

from afina_jobs.builtin.settings import CLASSIFIED
from afina_jobs.worker import Trial

Array = NDArray[Any]
Scores = dict[str, float]
_SEED = 0
"""The folds and XGBoost's own draws are the same in every trial, so that only parameters differ."""


def objective(dataset: str, folds: int, threads: int) -> Callable[[Mapping[str, Any], Trial], Scores]:
    """The objective for a data set; the data is loaded once."""
    data, target = getattr(datasets, f"load_{dataset}")(return_X_y=True)
    splitter = StratifiedKFold if dataset in CLASSIFIED else KFold
    splits = list(splitter(folds, shuffle=True, random_state=_SEED).split(data, target))
    evaluate = _classify if dataset in CLASSIFIED else _regress

    def cross_validate(params: Mapping[str, Any], trial: Trial) -> Scores:
        scores: list[Scores] = []
        for fold, (train, test) in enumerate(splits):
            settings = {"n_jobs": threads, "random_state": _SEED, **params}
            scores.append(evaluate(settings, data[train], target[train], data[test], target[test]))
            trial.report(_mean(scores), fold)
        return _mean(scores)

    return cross_validate


def _classify(settings: Mapping[str, Any], data: Array, target: Array, unseen: Array, truth: Array) -> Scores:
    chances = XGBClassifier(**settings).fit(data, target).predict_proba(unseen)
    scores = {
        "accuracy": metrics.accuracy_score(truth, np.argmax(chances, axis=1)),
        "logloss": metrics.log_loss(truth, chances),
    }
    return scores | ({"auc": metrics.roc_auc_score(truth, chances[:, 1])} if chances.shape[1] == 2 else {})


def _regress(settings: Mapping[str, Any], data: Array, target: Array, unseen: Array, truth: Array) -> Scores:
    guess = XGBRegressor(**settings).fit(data, target).predict(unseen)
    return {
        "rmse": metrics.root_mean_squared_error(truth, guess),
        "mae": metrics.mean_absolute_error(truth, guess),
        "r2": metrics.r2_score(truth, guess),
    }


def _mean(scores: list[Scores]) -> Scores:
    return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}
