"""What reads models: without what only fitting needs, and with the same numbers."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer

from afina_models.arrays import expit, logit, softmax
from afina_models.digest import FILES
from afina_models.hashing import hashed_words
from afina_models.predictor import Predictor
from support.models import a_classifier, a_regressor, houses

_LOAD = """
import sys
from pathlib import Path
from afina_models.predictor import Predictor
said = Predictor.load(Path(sys.argv[1]), sys.argv[2]).predict([{"area": 30.0, "note": "as good as new"}])
assert said.values.shape == (1, 3)
heavy = {"pandas", "sklearn", "pyarrow", "onnx", "onnxruntime"} & set(sys.modules)
assert not heavy, heavy
import pandas, sklearn
"""


@pytest.mark.parametrize("family", ["Linear", "LightGBM", "XGBoost", "ExtraTrees"])
def test_a_process_that_predicts_has_neither_pandas_nor_scikit_learn(family: str, tmp_path: Path) -> None:
    known = a_classifier(tmp_path, family)
    subprocess.run([sys.executable, "-c", _LOAD, str(tmp_path / "model" / FILES), known], check=True)


def test_rows_and_columns_are_predicted_alike(tmp_path: Path) -> None:
    predictor = Predictor.load(tmp_path / "model" / FILES, a_regressor(tmp_path))
    columns = {"a": np.array([1.0, np.nan]), "b": np.array([1.0, 2.0]), "c": np.array([1.0, 3.0])}
    rows: list[dict[str, object]] = [{"a": 1, "b": 1, "c": 1}, {"b": "2", "c": 3.0}]
    np.testing.assert_array_equal(predictor.values(columns), predictor.values(rows))
    assert predictor.values(rows)[0] == pytest.approx(6, abs=0.1)


def test_what_was_fitted_is_what_is_read(tmp_path: Path) -> None:
    frame, target = houses()
    predictor = Predictor.load(tmp_path / "model" / FILES, a_classifier(tmp_path))
    said = predictor.predict([{"area": area} for area in frame["area"]])
    assert said.labels is not None
    right = np.array(said.labels) == np.array(["low", "mid", "high"])[target]
    assert right.mean() > 0.9


WORDS = HashingVectorizer(n_features=128)


@given(st.text())
def test_words_are_hashed_as_scikit_learn_does(text: str) -> None:
    np.testing.assert_array_equal(hashed_words(text, 128), WORDS.transform([text]).toarray()[0])


def test_no_odds_are_too_great() -> None:
    odds = np.array([-1e308, -1000.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1000.0, 1e308])
    np.testing.assert_allclose(expit(odds), scipy.special.expit(odds), rtol=1e-14)
    np.testing.assert_allclose(softmax(odds.reshape(3, 3)), scipy.special.softmax(odds.reshape(3, 3), axis=1))
    chances = np.array([1e-6, 0.1, 0.5, 0.9, 1 - 1e-6])
    np.testing.assert_allclose(logit(chances), scipy.special.logit(chances), rtol=1e-9, atol=1e-15)
