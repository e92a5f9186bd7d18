"""How far the members of a model are apart."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from afina_models.arrays import Array
from afina_models.columns import from_rows
from afina_models.combination import Combination, Stacked, Weighted
from afina_models.digest import FILES
from afina_models.formats.linear import Linear
from afina_models.predictor import Predictor
from support.models import HOUSE, a_classifier, a_regressor, an_ensemble_of_classes, an_ensemble_of_numbers

ROWS = {
    "classes": [HOUSE, {**HOUSE, "area": 61.0}, {**HOUSE, "area": 119.0}, {}],
    "numbers": [{"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 9.0}, {}],
}
EXPORTS: dict[str, Callable[[Path, Combination], str]] = {
    "classes": an_ensemble_of_classes,
    "numbers": an_ensemble_of_numbers,
}
STACKS = {
    "classes": Stacked(Linear(np.ones((6, 3)) * [1.0, 0.0, -1.0], np.zeros(3), 3), 0.0, 1.0),
    "numbers": Stacked(Linear(np.array([[2.0], [-1.0]]), np.zeros(1), 0), 0.0, 1.0),
}


def an_ensemble(kind: str, folder: Path, combination: Combination) -> Predictor:
    known = EXPORTS[kind](folder, combination)
    return Predictor.load(folder / "model" / FILES, known)


def of_members(predictor: Predictor, kind: str) -> list[Array]:
    """What each member says of the rows: the number, or the probability of the class that was chosen."""
    pipeline = predictor.pipeline
    plain = pipeline.transform(from_rows(ROWS[kind], pipeline.types), "Plain")
    said = [model.predict(pipeline.view(plain, known.view)) for known, model in predictor.members]
    labels = predictor.predict(ROWS[kind]).labels
    if labels is None:
        return said
    return [
        np.array([row[predictor.classes.index(label)] for row, label in zip(part, labels, strict=True)])
        for part in said
    ]


@pytest.mark.parametrize("kind", EXPORTS)
@pytest.mark.parametrize("weights", [[0.75, 0.25], [3.0, 1.0]], ids=["of 1", "of 4"])
def test_members_count_by_their_weights(kind: str, weights: list[float], tmp_path: Path) -> None:
    predictor = an_ensemble(kind, tmp_path, Weighted(weights))
    first, second = of_members(predictor, kind)
    spread = predictor.predict(ROWS[kind]).spread
    # Of two numbers with the weights w and 1 - w, the standard deviation is sqrt(w (1 - w)) times their distance.
    assert spread is not None
    np.testing.assert_allclose(spread, np.sqrt(0.75 * 0.25) * np.abs(first - second), atol=1e-12)
    assert spread.max() > 0.01


@pytest.mark.parametrize("kind", EXPORTS)
def test_members_of_a_stack_count_alike(kind: str, tmp_path: Path) -> None:
    predictor = an_ensemble(kind, tmp_path, STACKS[kind])
    first, second = of_members(predictor, kind)
    spread = predictor.predict(ROWS[kind]).spread
    assert spread is not None
    np.testing.assert_allclose(spread, np.abs(first - second) / 2, atol=1e-12)


@pytest.mark.parametrize("export", [a_classifier, a_regressor])
def test_a_model_alone_has_none(export: Callable[[Path], str], tmp_path: Path) -> None:
    predictor = Predictor.load(tmp_path / "model" / FILES, export(tmp_path))
    assert not predictor.has_spread
    assert predictor.predict([{}]).spread is None


@pytest.mark.parametrize("kind", EXPORTS)
def test_nor_has_one_beside_members_without_weight(kind: str, tmp_path: Path) -> None:
    predictor = an_ensemble(kind, tmp_path, Weighted([1.0, 0.0]))
    assert not predictor.has_spread
    assert predictor.predict([{}]).spread is None
