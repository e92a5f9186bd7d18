"""Copies of the target, also encoded, scaled or bent ones: one column alone predicts it almost perfectly."""

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from afina_jobs.automl.problem import Problem
from afina_models.arrays import Array

PERFECT_CLASSES = 0.995
"""Balanced accuracy from which one column is too good."""
PERFECT_NUMBERS = 0.999
"""R2, or rank correlation, from which one column is too good."""
_FOLDS = 3
_MIN_ROWS = 30


def target_score(values: pd.Series, kind: str, target: Array, problem: Problem, seed: int) -> str | None:
    """How well a tree on this column alone predicts the target on rows that it has not seen, if too well."""
    column = _as_numbers(values, kind)
    if len(column) < _MIN_ROWS or len(np.unique(column)) < 2:
        return None
    data = column.reshape(-1, 1)
    if problem.classes:
        common = np.isin(target, np.flatnonzero(np.bincount(target) >= _FOLDS))
        data, target = data[common], target[common]
        if len(np.unique(target)) < 2:
            return None
        folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
        guess = cross_val_predict(DecisionTreeClassifier(random_state=seed), data, target, cv=folds)
        reached = float(balanced_accuracy_score(target, guess))
        return f"alone it predicts {reached:.4f} of each class rightly" if reached >= PERFECT_CLASSES else None
    ranks = abs(float(spearmanr(column, target).statistic)) if np.isfinite(column).all() else 0.0
    if ranks >= PERFECT_NUMBERS:
        return f"it orders the rows as the target does (rank correlation {ranks:.5f})"
    folds = KFold(_FOLDS, shuffle=True, random_state=seed)
    guess = cross_val_predict(DecisionTreeRegressor(random_state=seed), data, target, cv=folds)
    reached = float(r2_score(target, guess))
    return f"alone it predicts the target with R2 {reached:.5f}" if reached >= PERFECT_NUMBERS else None


def _as_numbers(values: pd.Series, kind: str) -> Array:
    """Ranks keep the order of numbers and dates; of words they keep which are equal."""
    if kind == "Numeric":
        return np.asarray(values.to_numpy(dtype=float, na_value=np.nan))
    codes, _ = pd.factorize(values, sort=True, use_na_sentinel=False)
    return np.asarray(codes, dtype=float)
