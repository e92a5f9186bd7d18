"""Columns and predictions as JSON, for a worker that other programs stand before. No number loses a digit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic_core import from_json, to_json

from afina_models.columns import NUMERIC, Columns
from afina_models.predictor import Predictions


def packed_columns(columns: Columns) -> bytes:
    """The columns as JSON; NaN, where a number is missing, as it stands."""
    return to_json({name: values.tolist() for name, values in columns.items()})


def unpacked_columns(content: bytes, types: Mapping[str, str]) -> Columns:
    """The columns again.

    Args:
        content: as it was packed.
        types: of the columns.
    """
    found: Mapping[str, list[Any]] = from_json(content)
    return {name: np.array(values, dtype=float if types[name] in NUMERIC else object) for name, values in found.items()}


def packed_predictions(found: Predictions) -> bytes:
    """The predictions as JSON."""
    told = {
        "values": found.values.tolist(),
        "labels": found.labels,
        "sets": None if found.sets is None else found.sets.tolist(),
        "half_width": found.half_width,
        "spread": None if found.spread is None else found.spread.tolist(),
    }
    return to_json(told)


def packed_failure(error: Exception) -> bytes:
    """That there are none, as JSON."""
    return to_json({"failure": repr(error)})


def unpacked_predictions(content: bytes) -> Predictions:
    """The predictions again.

    Raises:
        RuntimeError: there are none.
    """
    found = from_json(content)
    if "failure" in found:
        raise RuntimeError(f"the worker failed: {found['failure']}")
    sets = None if found["sets"] is None else np.array(found["sets"], dtype=bool)
    spread = None if found["spread"] is None else np.array(found["spread"], dtype=float)
    return Predictions(np.array(found["values"], dtype=float), found["labels"], sets, found["half_width"], spread)
