"""The pipeline gives the same features in training and in serving, whatever the rows look like."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from afina_jobs.automl.features import pipeline
from afina_jobs.automl.features.tables import from_table, to_rows
from afina_jobs.automl.features.transformers import fit_target_mean, unseen_target_mean
from afina_models.arrays import Array
from afina_models.columns import from_rows
from afina_models.pipeline import Pipeline, View

ROWS = 120
RNG = np.random.default_rng(1)
TYPES = {
    "size": "Numeric", "colour": "Categorical", "town": "Categorical", "new": "Boolean", "sold": "Datetime",
    "note": "Text", "always": "Numeric",
}  # fmt: skip


def a_table() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "size": RNG.normal(50, 20, ROWS),
            "colour": RNG.choice(["red", "green", "blue"], ROWS),
            "town": RNG.choice([f"town {n}" for n in range(30)], ROWS),
            "new": RNG.choice([True, False], ROWS),
            "sold": pd.date_range("2024-12-30", periods=ROWS, freq="7h").as_unit("us"),
            "note": RNG.choice(["as good as new", "needs some paint", "sold as seen"], ROWS),
            "always": 1.0,
        }
    )
    frame["new"] = frame["new"].astype("boolean")
    for row, name in enumerate(TYPES):
        frame.loc[row, name] = None
    frame["always"] = 1.0
    return frame


FRAME = a_table()
TARGET = (RNG.uniform(size=ROWS) < 0.4).astype(int)
FITTED, SEEN = pipeline.fit(from_table(FRAME, TYPES), TYPES, TARGET, 2, seed=0)


@pytest.mark.parametrize("view", ["Plain", "Scaled"])
def test_a_row_alone_gives_what_it_gave_in_the_batch(view: View, tmp_path: Path) -> None:
    FITTED.save(tmp_path / "features.json")
    served = Pipeline.load(tmp_path / "features.json")
    batch = FITTED.transform(from_table(FRAME, TYPES), view)
    rows = json.loads(json.dumps(to_rows(FRAME)))
    alone = np.vstack([served.transform(from_rows([row], served.types), view) for row in rows])
    np.testing.assert_array_equal(batch, alone)


def test_a_constant_column_is_left_out_and_the_order_is_fixed() -> None:
    assert list(FITTED.types) == ["size", "colour", "town", "new", "sold", "note"]
    assert FITTED.names[:5] == ["size", "colour=blue", "colour=green", "colour=red", "town:mean0"]
    assert FITTED.transform(from_table(FRAME[FRAME.columns[::-1]], TYPES), "Plain").shape == SEEN.shape


def test_unknown_categories_and_missing_columns_are_no_error() -> None:
    strange = [{"colour": "pink", "town": "Atlantis", "size": "huge", "sold": "one day"}, {}]
    plain = FITTED.transform(from_rows(strange, FITTED.types), "Plain")
    names = FITTED.names
    assert plain[:, names.index("colour=red")].tolist() == [0, 0]
    assert plain[:, names.index("town:mean0")] == pytest.approx([TARGET.mean()] * 2)
    assert np.isnan(plain[:, names.index("size")]).all()
    assert np.isfinite(FITTED.transform(from_rows(strange, FITTED.types), "Scaled")).all()


def test_missing_numbers_become_the_median_and_a_flag() -> None:
    scaled = FITTED.transform(from_table(FRAME, TYPES), "Scaled")
    flags = scaled[:, len(FITTED.names) :]
    assert flags[0].tolist()[0] == 1
    assert flags[1].tolist()[0] == 0
    unscaled = scaled[0, 0] * FITTED.scaling.scales[0] + FITTED.scaling.means[0]
    assert unscaled == pytest.approx(FRAME["size"].median(), rel=1e-5)


def test_date_parts() -> None:
    parts = FITTED.transform(from_rows([{"sold": "2025-01-06T13:00:00"}], FITTED.types), "Plain")[0]
    start = FITTED.names.index("sold:year")
    assert parts[start : start + 5].tolist() == [2025, 1, 6, 0, 13]
    assert parts[start + 5] == pytest.approx(7 + 13 / 24, abs=0.3)


def test_no_row_sees_its_own_target_in_an_encoded_category() -> None:
    """Levels of one row each: seen, they would give the target away."""
    values = np.array([f"level {n}" for n in range(ROWS)], dtype=object)
    target: Array = TARGET.reshape(-1, 1).astype(float)
    encoder = fit_target_mean("town", values, target)
    own = encoder.transform(values)[:, 0]
    others = unseen_target_mean("town", values, target, seed=0)[:, 0]
    assert np.corrcoef(own, TARGET)[0, 1] == pytest.approx(1)
    assert abs(np.corrcoef(others, TARGET)[0, 1]) < 0.5
    _, seen = pipeline.fit({"town": values}, {"town": "Categorical"}, TARGET, 2, seed=0)
    assert seen[:, 0] == pytest.approx(others)
