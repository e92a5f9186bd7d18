"""The pipeline: fitted once on the training rows, exported as JSON, and the same when it serves."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from afina_jobs.automl.features.columns import Columns
from afina_jobs.automl.features.scaling import Scaling
from afina_jobs.automl.features.transformers import (
    KINDS,
    ONE_HOT_LEVELS,
    DateParts,
    HashedText,
    Number,
    OneHot,
    TargetMean,
    Transformer,
)
from afina_jobs.automl.problem import Array

View = Literal["Plain", "Scaled"]
"""Plain: with NaN, for trees. Scaled: complete and standardised."""
_MAX_TARGET_COLUMNS = 10


@dataclass(frozen=True)
class Pipeline:
    """From columns to a matrix of features in a fixed order."""

    types: Mapping[str, str]
    """The columns that it reads, with their types."""
    transformers: tuple[Transformer, ...]
    scaling: Scaling

    @property
    def names(self) -> list[str]:
        """Names of the plain features."""
        return [name for transformer in self.transformers for name in transformer.names]

    def transform(self, columns: Columns, view: View) -> Array:
        """The features of any rows, in one of the views."""
        plain = _joined(columns, self.transformers, lambda kind, values: kind.transform(values))
        return self.view(plain, view)

    def view(self, plain: Array, view: View) -> Array:
        """Plain features in one of the views."""
        return plain if view == "Plain" else self.scaling.transform(plain)

    def save(self, file: Path) -> None:
        """Write the state."""
        kinds = [{"kind": type(known).__name__, **asdict(known)} for known in self.transformers]  # type: ignore[call-overload]
        state = {"types": dict(self.types), "transformers": kinds, "scaling": asdict(self.scaling)}
        file.write_text(json.dumps(state))

    @classmethod
    def load(cls, file: Path) -> "Pipeline":
        """Read the state."""
        state = json.loads(file.read_text())
        return cls(state["types"], tuple(map(_restored, state["transformers"])), Scaling(**state["scaling"]))


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
    found = [_fitted(name, kind, columns[name], encoded) for name, kind in types.items()]
    transformers = tuple(transformer for transformer in found if transformer)

    def seen(known: Transformer, values: Array) -> Array:
        if isinstance(known, TargetMean):
            return known.transform_seen(values, encoded, seed)
        return known.transform(values)

    plain = _joined(columns, transformers, seen)
    used = {known.column: types[known.column] for known in transformers}
    return Pipeline(used, transformers, Scaling.fit(plain)), plain


def _fitted(name: str, kind: str, values: Array, target: Array) -> Transformer | None:
    """None where there is nothing to learn: all values are the same."""
    if kind == "Text":
        return HashedText(name) if any(values) else None
    if kind == "Categorical":
        levels = len(set(values))
        if levels < 2:
            return None
        return OneHot.fit(name, values) if levels <= ONE_HOT_LEVELS else TargetMean.fit(name, values, target)
    known = values[np.isfinite(values)]
    if len(known) == 0 or (len(known) == len(values) and np.ptp(known) == 0):
        return None
    return DateParts(name, float(known.min())) if kind == "Datetime" else Number(name)


def _target_columns(target: Array, classes: int) -> Array:
    """The target as columns of one scale: a flag for each of the first classes, the second of two, or the number."""
    if classes == 2:
        return target.reshape(-1, 1).astype(float)
    if classes:
        return np.asarray(target[:, None] == np.arange(min(classes, _MAX_TARGET_COLUMNS)), dtype=float)
    spread = float(target.std()) or 1.0
    return np.asarray((target - target.mean()) / spread).reshape(-1, 1)


def _joined(
    columns: Columns, transformers: tuple[Transformer, ...], look: Callable[[Transformer, Array], Array]
) -> Array:
    rows = len(next(iter(columns.values()), ()))
    parts = [look(known, columns[known.column]) for known in transformers]
    return np.hstack(parts).astype(np.float32) if parts else np.zeros((rows, 0), np.float32)


def _restored(state: dict[str, Any]) -> Transformer:
    kind = KINDS[state["kind"]]
    transformer: Transformer = kind(**{name: value for name, value in state.items() if name != "kind"})
    return transformer
