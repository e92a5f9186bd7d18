"""An exported model, read back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from afina_models import combination
from afina_models.arrays import Array
from afina_models.calibration import Calibration
from afina_models.classes import labels, sets
from afina_models.columns import Columns, from_rows
from afina_models.digest import check
from afina_models.formats.base import Format, Model
from afina_models.formats.catalogue import FORMATS
from afina_models.pipeline import Pipeline


@dataclass(frozen=True)
class Predictions:
    """What a model says of some rows."""

    values: Array
    """Calibrated probabilities, rows x classes; or numbers."""
    labels: list[str] | None = None
    """Classes: the one that was chosen for each row."""
    sets: Array | None = None
    """Classes: which of them the truth is among."""
    half_width: float | None = None
    """Numbers: the truth is within this distance."""
    spread: Array | None = None
    """Of models with several members: how far they are apart in each row."""

    def of(self, rows: slice) -> "Predictions":
        """Those of some of the rows."""
        labels = None if self.labels is None else self.labels[rows]
        sets = None if self.sets is None else self.sets[rows]
        spread = None if self.spread is None else self.spread[rows]
        return Predictions(self.values[rows], labels, sets, self.half_width, spread)


class Predictor:
    """An exported model, read back."""

    def __init__(self, pipeline: Pipeline, members: Sequence[tuple[Format, Model]], state: Mapping[str, Any]) -> None:
        self.pipeline = pipeline
        self.members = members
        self.classes: list[str] = state["classes"]
        self.threshold: float = state["threshold"]
        self.half_width: float | None = state["half_width"]
        self._doubt: float | None = state["doubt"]
        self._combine = combination.restored(state["combination"])
        self._voices = combination.voices(self._combine, len(members))
        self.has_spread = sum(voice > 0 for voice in self._voices) > 1
        self._calibrate = Calibration(**state["calibration"])

    @classmethod
    def load(cls, folder: Path, digest: str) -> "Predictor":
        """Read a model, if it is the one that the digest was made of.

        Raises:
            DigestError: a file was changed.
        """
        check(folder, digest)
        state = json.loads((folder / "model.json").read_text())
        formats = [FORMATS[member["family"]] for member in state["members"]]
        models = [known.load(folder / member["file"]) for known, member in zip(formats, state["members"], strict=True)]
        return cls(Pipeline.load(folder / "features.json"), list(zip(formats, models, strict=True)), state)

    def predict(self, rows: Columns | Sequence[Mapping[str, Any]]) -> Predictions:
        """Predict rows as JSON has them, or columns."""
        columns = rows if isinstance(rows, dict) else from_rows(rows, self.pipeline.types)
        return self.predict_features(self.pipeline.transform(columns, "Plain"))

    def predict_features(self, plain: Array) -> Predictions:
        """Predict rows whose features are known.

        The spread is the standard deviation of the members' numbers; of classes, that of the probabilities that they
        give to the chosen one before calibration.
        """
        members = [model.predict(self.pipeline.view(plain, known.view)) for known, model in self.members]
        found = self._combine(members)
        if not self.classes:
            return Predictions(found, half_width=self.half_width, spread=self._spread(members))
        chances = self._calibrate(found)
        codes = labels(chances, self.threshold)
        names = [self.classes[code] for code in codes]
        likely = None if self._doubt is None else sets(chances, self._doubt)
        return Predictions(chances, names, likely, spread=self._spread(members, codes))

    def _spread(self, members: Sequence[Array], codes: Array | None = None) -> Array | None:
        if not self.has_spread:
            return None
        if codes is not None:
            members = [np.take_along_axis(one, codes[:, None], axis=1)[:, 0] for one in members]
        return combination.spread(members, self._voices)

    def values(self, rows: Columns | Sequence[Mapping[str, Any]]) -> Array:
        """Probabilities or numbers alone."""
        return np.asarray(self.predict(rows).values)
