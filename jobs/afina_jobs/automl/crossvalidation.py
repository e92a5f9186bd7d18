"""Fits a model on every fold, or once on all of the development part."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from afina_jobs.automl.checkpoint import Checkpoint
from afina_jobs.automl.data import Data
from afina_jobs.automl.features import pipeline
from afina_jobs.automl.metrics import score
from afina_jobs.automl.models.base import Family, Order, Rows
from afina_jobs.contract import Value
from afina_jobs.process.limits import memory_bytes
from afina_models.arrays import Array
from afina_models.pipeline import Pipeline

EARLY_SHARE = 0.15
"""Of a fold's training rows, those that boosting is stopped by. The test rows are never looked at for it."""
_CACHE_SHARE = 0.25
"""Of the memory limit, for features that are kept from model to model."""


@dataclass(frozen=True)
class _Prepared:
    """A fold, ready to fit: rows of the development part by position, sorted by query when ranking."""

    train: Array
    test: Array
    pipeline: Pipeline
    plain_train: Array
    plain_test: Array
    early: Array
    """Which of the training rows are kept for early stopping."""


class CrossValidation:
    """Judges models on the same folds. What the features of a fold are is worked out once, memory permitting."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._settled = data.settled
        self._development = data.splits.development
        self._target = data.target[self._development]
        ranking = data.settled.problem.task == "Ranking"
        self._groups = data.groups[self._development] if ranking and data.groups is not None else None
        self._kept: dict[int, _Prepared] = {}

    def judge(
        self, family: Family, number: int, params: Mapping[str, Value], on_fold: Callable[[float, int], None]
    ) -> Checkpoint:
        """Fit on every fold and predict the rows left out.

        Args:
            family: of the model.
            number: of the trial.
            params: of the model.
            on_fold: is told the mean score after each fold.
        """
        problem = self._settled.problem
        shape = (len(self._target), len(problem.classes)) if problem.classes else (len(self._target),)
        predicted, scores, rounds, seconds = np.full(shape, np.nan), [], [], 0.0
        for fold in range(len(self._data.splits.folds)):
            ready = self._prepared(fold)
            began = time.monotonic()
            model = family.fit(self._order(family, params, ready))
            seconds += time.monotonic() - began
            predicted[ready.test] = model.predict(ready.pipeline.view(ready.plain_test, family.format.view))
            groups = None if self._groups is None else self._groups[ready.test]
            scores.append(score(problem.metric, self._target[ready.test], predicted[ready.test], groups))
            rounds.append(model.rounds)
            on_fold(float(np.mean(scores)), fold)
        known = [count for count in rounds if count]
        mean = max(1, round(float(np.mean(known)))) if known else None
        return Checkpoint(family.name, number, params, predicted, tuple(scores), seconds, mean)

    def refit(self, family: Family, params: Mapping[str, Value], rounds: int | None, folder: Path) -> float:
        """Fit on all of the development part and write the model and the pipeline into a folder; seconds of the fit."""
        order = self._sorted(np.arange(len(self._target)))
        fitted, plain = self._features(order)
        began = time.monotonic()
        model = family.fit(
            Order(
                self._rows(fitted.view(plain, family.format.view), order),
                len(self._settled.problem.classes),
                self._settled.problem.metric,
                params,
                self._settled.seed,
                self._settled.threads,
                rounds=rounds,
            )
        )
        seconds = time.monotonic() - began
        folder.mkdir(parents=True, exist_ok=True)
        fitted.save(folder / "features.json")
        model.save(folder / f"model{family.format.suffix}")
        return seconds

    def _order(self, family: Family, params: Mapping[str, Value], ready: _Prepared) -> Order:
        features = ready.pipeline.view(ready.plain_train, family.format.view)
        kept = ~ready.early if family.stops_early else np.ones(len(ready.train), dtype=bool)
        return Order(
            self._rows(features[kept], ready.train[kept]),
            len(self._settled.problem.classes),
            self._settled.problem.metric,
            params,
            self._settled.seed,
            self._settled.threads,
            early=self._rows(features[ready.early], ready.train[ready.early]) if family.stops_early else None,
        )

    def _prepared(self, fold: int) -> _Prepared:
        if fold in self._kept:
            return self._kept[fold]
        train, test = (self._sorted(rows) for rows in self._data.splits.folds[fold])
        fitted, plain = self._features(train)
        unseen = fitted.transform(self._data.columns(self._development[test]), "Plain")
        found = _Prepared(train, test, fitted, plain, unseen, self._early(train))
        if (plain.nbytes + unseen.nbytes) * len(self._data.splits.folds) < _CACHE_SHARE * memory_bytes():
            self._kept[fold] = found
        return found

    def _features(self, rows: Array) -> tuple[Pipeline, Array]:
        columns, settled = self._data.columns(self._development[rows]), self._settled
        return pipeline.fit(columns, settled.types, self._target[rows], len(settled.problem.classes), settled.seed)

    def _early(self, train: Array) -> Array:
        """Later rows where there is a time, whole groups where there are groups, else any."""
        if self._settled.time_column:
            return np.asarray(np.arange(len(train)) >= len(train) * (1 - EARLY_SHARE))
        rng = np.random.default_rng(self._settled.seed)
        groups = self._data.groups
        if groups is None:
            return np.asarray(rng.uniform(size=len(train)) < EARLY_SHARE)
        own = groups[self._development[train]]
        known = np.unique(own)
        chosen = rng.choice(known, max(1, round(EARLY_SHARE * len(known))), replace=False)
        return np.isin(own, chosen)

    def _sorted(self, rows: Array) -> Array:
        return rows if self._groups is None else rows[np.argsort(self._groups[rows], kind="stable")]

    def _rows(self, features: Array, rows: Array) -> Rows:
        return Rows(features, self._target[rows], None if self._groups is None else self._groups[rows])
