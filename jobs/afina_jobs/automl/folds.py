"""Which rows a model is trained and tested on: the same for all models.

Rows that belong together stay together: those of a group, of one moment, and copies of one row.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    StratifiedKFold,
    TimeSeriesSplit,
    train_test_split,
)

from afina_api.automljob import ModelValidation
from afina_api.reasons import AutoMLReason
from afina_jobs.automl.problem import CannotLearnError
from afina_models.arrays import Array

_BY_NATURE = 0.25
_TARGET = "\0target"
"""A name that no column has."""

Fold = tuple[Array, Array]
"""Positions to train on and to test on."""


@dataclass(frozen=True)
class Splits:
    """Rows by number."""

    development: Array
    """All rows but the holdout, in order of time where there is one."""
    holdout: Array
    folds: tuple[Fold, ...]
    """Positions within `development`."""

    @property
    def digest(self) -> str:
        """Hash of which row is where."""
        parts = [self.development, self.holdout, *(part for fold in self.folds for part in fold)]
        text = b"|".join(np.asarray(part, dtype="<i8").tobytes() for part in parts)
        return "sha256:" + hashlib.sha256(text).hexdigest()


def split(frame: pd.DataFrame, codes: Array | None, validation: ModelValidation, copies: Array, seed: int) -> Splits:
    """Split the rows.

    Args:
        frame: the rows, with the group's or the time's column.
        codes: codes of the classes to keep balanced, or None.
        validation: of the spec.
        copies: a number for each row; rows that are copies of each other have the same.
        seed: of the shuffling.

    Raises:
        CannotLearnError: there are too few rows, groups or moments for so many folds.
    """
    if validation.time_column:
        return _by_time(frame[validation.time_column], validation)
    if validation.group_column:
        return _by_group(_numbered(frame[validation.group_column]), validation, seed)
    return _at_random(codes, validation, copies, seed)


def copies_of(features: pd.DataFrame, target: pd.Series) -> Array:
    """A number for each row, the same for rows that are equal in all columns.

    Data of few values repeats by nature, and then each row stands for itself. It is told from copies by the target:
    among rows of equal features it differs a good part as often as among any two rows, and that of copies never does.
    """
    alike = _numbered(pd.util.hash_pandas_object(features, index=False))
    numbers = _numbered(pd.util.hash_pandas_object(features.assign(**{_TARGET: target}), index=False))
    rows, copies = (np.bincount(codes)[codes] for codes in (alike, numbers))
    repeated = rows > 1
    differs = float(np.mean((rows - copies)[repeated] / (rows - 1)[repeated])) if repeated.any() else 0.0
    chance = 1 - float((target.value_counts(normalize=True) ** 2).sum())
    return np.arange(len(features)) if differs > _BY_NATURE * chance else numbers


def _by_time(moments: pd.Series, validation: ModelValidation) -> Splits:
    ranks = _numbered(moments)
    order = np.argsort(ranks, kind="stable")
    ordered = ranks[order]
    last = ordered[max(0, round(len(order) * (1 - validation.holdout_share)) - 1)]
    development = order[ordered <= last]
    _require(int(last) + 1, validation.folds + 1, f"moments in {moments.name!r}")
    units = ranks[development]
    pairs = TimeSeriesSplit(validation.folds).split(np.arange(int(last) + 1))
    folds = tuple((np.flatnonzero(units <= train[-1]), np.flatnonzero(np.isin(units, test))) for train, test in pairs)
    return _checked(Splits(development, order[ordered > last], folds))


def _by_group(groups: Array, validation: ModelValidation, seed: int) -> Splits:
    _require(int(groups.max()) + 1, validation.folds + 1, "groups")
    outer = GroupShuffleSplit(1, test_size=validation.holdout_share, random_state=seed)
    development, holdout = next(outer.split(groups, groups=groups))
    inner = GroupKFold(validation.folds, shuffle=True, random_state=seed)
    return _checked(Splits(development, holdout, tuple(inner.split(development, groups=groups[development]))))


def _at_random(codes: Array | None, validation: ModelValidation, copies: Array, seed: int) -> Splits:
    _, first = np.unique(copies, return_index=True)
    _require(len(first), 2 * validation.folds, "different rows")
    labels = None if codes is None else codes[first]
    balanced = labels is not None and np.bincount(labels)[np.unique(labels)].min() >= 2
    units, held = train_test_split(
        np.arange(len(first)),
        test_size=validation.holdout_share,
        random_state=seed,
        stratify=labels if balanced else None,
    )
    units.sort()
    development, holdout = np.flatnonzero(np.isin(copies, units)), np.flatnonzero(np.isin(copies, held))
    inner = _splitter(labels, units, validation.folds, seed)
    pairs = inner.split(units, None if labels is None else labels[units])
    members = copies[development]
    folds = tuple(
        (np.flatnonzero(np.isin(members, units[train])), np.flatnonzero(np.isin(members, units[test])))
        for train, test in pairs
    )
    return _checked(Splits(development, holdout, folds))


def _splitter(labels: Array | None, units: Array, folds: int, seed: int) -> KFold | StratifiedKFold:
    """Rare classes cannot be in every fold."""
    if labels is not None and np.bincount(labels[units])[np.unique(labels[units])].min() >= folds:
        return StratifiedKFold(folds, shuffle=True, random_state=seed)
    return KFold(folds, shuffle=True, random_state=seed)


def _numbered(values: pd.Series) -> Array:
    """Ranks from 0; a missing value is the last."""
    codes, _ = pd.factorize(values, sort=True, use_na_sentinel=False)
    return np.asarray(codes)


def _require(there: int, wanted: int, what: str) -> None:
    if there < wanted:
        message = f"there are {there} {what}, and validation needs at least {wanted}: lower validation.folds"
        raise CannotLearnError(AutoMLReason.DATASET_TOO_SMALL, message)


def _checked(splits: Splits) -> Splits:
    _require(len(splits.holdout), 1, "rows in the holdout")
    return splits
