"""What is made of a prediction."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afina_serving.answers import confidence, risk_level
from afina_serving.binary import packed_texts, unpacked_texts
from afina_serving.sketch import bins

CERTAIN = {
    "a coin": ([0.5, 0.5], 0.0),
    "certainty": ([1.0, 0.0], 1.0),
    "nearly": ([0.89, 0.11], 0.5),
    "a die": ([1 / 6] * 6, 0.0),
    "one of three is out": ([0.5, 0.5, 0.0], 1 - math.log(2, 3)),
}


@pytest.mark.parametrize("case", CERTAIN.values(), ids=CERTAIN.keys())
def test_confidence(case: tuple[list[float], float]) -> None:
    chances, expected = case
    assert confidence(np.array([chances]))[0] == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("probability", "word"),
    [(1.0, "low"), (0.85, "low"), (0.84, "medium"), (0.7, "medium"), (0.69, "high"), (0.5, "high"), (0.1, "very_high")],
)
def test_risk_level(probability: float, word: str) -> None:
    assert risk_level(probability) == word


@given(st.floats(min_value=1e-9, max_value=1e9), st.booleans())
def test_a_number_is_near_the_bound_of_its_bin(value: float, negative: bool) -> None:
    (name,) = bins([-value if negative else value])
    bound = float(name)
    assert (bound < 0) == negative
    assert value * 0.99 <= abs(bound) <= value * 1.12


def test_there_are_only_so_many_bins() -> None:
    numbers = np.concatenate([np.geomspace(1e-12, 1e300, 20_000), [0.0]])
    assert len(bins([*numbers.tolist(), *(-numbers).tolist()])) < 900


@given(st.lists(st.text(), min_size=1))
def test_texts_go_there_and_back(texts: list[str]) -> None:
    assert unpacked_texts(packed_texts(np.array(texts, dtype=object))).tolist() == texts


def test_text_that_is_cut_off_is_told() -> None:
    with pytest.raises(ValueError, match="text 1 is cut off"):
        unpacked_texts(packed_texts(np.array(["a", "bc"], dtype=object))[:-1])
