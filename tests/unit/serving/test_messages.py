"""What goes to TorchServe's workers and comes back is the same there and here."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afina_models.predictor import Predictions
from afina_serving.runtimes.messages import (
    packed_columns,
    packed_failure,
    packed_predictions,
    unpacked_columns,
    unpacked_predictions,
)


@given(
    st.lists(st.floats(allow_infinity=False), min_size=1),
    st.lists(st.one_of(st.none(), st.text()), min_size=1),
)
def test_columns_go_there_and_back(numbers: list[float], texts: list[str | None]) -> None:
    given = {"a": np.array(numbers), "b": np.array(texts, dtype=object)}
    found = unpacked_columns(packed_columns(given), {"a": "Datetime", "b": "Text"})
    assert np.array_equal(found["a"], given["a"], equal_nan=True)
    assert found["b"].tolist() == texts
    assert [found[name].dtype for name in "ab"] == [np.dtype(float), np.dtype(object)]


PREDICTIONS = {
    "numbers": Predictions(np.array([0.1, np.nan, -1e-300]), half_width=0.5),
    "members": Predictions(np.array([0.1, 0.2]), spread=np.array([0.0, 1 / 3])),
    "classes": Predictions(np.array([[0.1, 0.9], [0.6, 0.4]]), ["b", "a"], np.array([[False, True], [True, True]])),
}


@pytest.mark.parametrize("known", PREDICTIONS.values(), ids=PREDICTIONS.keys())
def test_predictions_go_there_and_back(known: Predictions) -> None:
    found = unpacked_predictions(packed_predictions(known))
    assert np.array_equal(found.values, known.values, equal_nan=True)
    assert (found.labels, found.half_width) == (known.labels, known.half_width)
    for ours, theirs in ((known.sets, found.sets), (known.spread, found.spread)):
        assert (None if theirs is None else theirs.tolist()) == (None if ours is None else ours.tolist())


def test_a_failure_is_raised() -> None:
    with pytest.raises(RuntimeError, match="the worker failed: ValueError\\('no'\\)"):
        unpacked_predictions(packed_failure(ValueError("no")))
