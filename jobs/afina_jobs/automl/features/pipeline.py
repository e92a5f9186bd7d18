"""Fits the pipeline, once, on the training rows."""

import warnings
from collections.abc import Mapping

import numpy as np

from afina_jobs.automl.features.transformers import fit_transformer, unseen_target_mean
from afina_models.arrays import Array
from afina_models.columns import Columns
from afina_models.pipeline import Pipeline, joined
from afina_models.scaling import Scaling
from afina_models.transformers import TargetMean, Transformer

_MAX_TARGET_COLUMNS = 10


def fit(columns: Columns, types: Mapping[str, str], target: Array, classes: int, seed: int) -> tuple[Pipeline, Array]:
    """Fit a pipeline; with it the plain features of the same rows.

    They differ from what `transform` would give: a category encoded by the target must not see its own row's.

    Args:
        columns: the training rows.
        types: the columns to use, with their types.
        target: codes of the classes, or numbers.
        classes: how many there are; 0 for numbers.
        seed: of the folds of the encoding.
    """
    encoded = _target_columns(target, classes)
    found = [fit_transformer(name, kind, columns[name], encoded) for name, kind in types.items()]
    transformers = tuple(transformer for transformer in found if transformer)

    def seen(known: Transformer) -> Array:
        values = columns[known.column]
        if isinstance(known, TargetMean):
            return unseen_target_mean(known.column, values, encoded, seed)
        return known.transform(values)

    plain = joined([seen(known) for known in transformers], columns)
    used = {known.column: types[known.column] for known in transformers}
    return Pipeline(used, transformers, _fit_scaling(plain)), plain


def _target_columns(target: Array, classes: int) -> Array:
    """The target as columns of one scale: a flag for each of the first classes, the second of two, or the number."""
    if classes == 2:
        return target.reshape(-1, 1).astype(float)
    if classes:
        return np.asarray(target[:, None] == np.arange(min(classes, _MAX_TARGET_COLUMNS)), dtype=float)
    spread = float(target.std()) or 1.0
    return np.asarray((target - target.mean()) / spread).reshape(-1, 1)


def _fit_scaling(features: Array) -> Scaling:
    missing = np.isnan(features)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a feature that is missing everywhere
        medians = np.nan_to_num(np.nanmedian(features, axis=0))
    filled = np.where(missing, medians, features).astype(float)
    scales = filled.std(axis=0)
    scales[scales == 0] = 1.0
    flagged = np.flatnonzero(missing.any(axis=0))
    return Scaling(medians.tolist(), filled.mean(axis=0).tolist(), scales.tolist(), flagged.tolist())
