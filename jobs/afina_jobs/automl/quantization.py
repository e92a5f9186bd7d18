"""The chosen model with perceptrons of 8 bits, next to the one of floats: which of the two is kept.

Calibration, threshold and conformal quantile stay those of the floats, from out-of-fold predictions; what they are
worth of the model that is kept is measured on the holdout, as of every model.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from afina_jobs.automl.choosing import Chosen, require_parity
from afina_jobs.automl.data import Data
from afina_jobs.automl.features.tables import to_rows
from afina_jobs.automl.measure import SAMPLE_ROWS, Measured, measure
from afina_jobs.automl.metrics import loss
from afina_jobs.automl.problem import CannotLearnError
from afina_jobs.automl.validation import finite, holdout_scores
from afina_models.digest import digest, size_bytes
from afina_models.formats import mlp, onnx
from afina_models.predictor import Predictor

MAX_LOSS = 0.01
"""Of the metric, relative to that of the floats."""


@dataclass(frozen=True)
class Side:
    """One of the two."""

    scores: Mapping[str, float]
    """On the holdout."""
    p50_milliseconds: float
    p95_milliseconds: float
    """Of the time for one row, measured in turn with the other."""
    size_bytes: int

    def figures(self) -> dict[str, float]:
        """All of it, by name."""
        return {
            **self.scores,
            "p50_milliseconds": self.p50_milliseconds,
            "p95_milliseconds": self.p95_milliseconds,
            "size_bytes": self.size_bytes,
        }


@dataclass(frozen=True)
class Quantized:
    """What became of it."""

    promoted: bool
    """Whether the model of 8 bits is kept."""
    message: str
    floats: Side | None = None
    int8: Side | None = None


def quantized(data: Data, chosen: Chosen, folder: Path, promoted: bool | None = None) -> tuple[Chosen, Quantized]:
    """The model that is kept.

    Args:
        data: with the holdout.
        chosen: the model of floats.
        folder: for the model of 8 bits.
        promoted: what was decided the first time, when a job is repeated: times are never the same.
    """
    if not _write(chosen.folder, folder):
        return chosen, Quantized(promoted=False, message=f"{chosen.candidate.recipe.name} has no MLP to quantize")
    known = digest(folder)
    try:
        smaller = replace(chosen, folder=folder, digest=known, predictor=Predictor.load(folder, known))
        floats, int8 = _sides(data, chosen, smaller)
    except subprocess.CalledProcessError as error:
        return chosen, Quantized(
            promoted=False, message=f"INT8 cannot be loaded: {(error.stderr or str(error))[-300:]}"
        )
    except CannotLearnError as error:
        return chosen, Quantized(promoted=False, message=str(error))
    found = decide(data.settled.problem.metric, floats, int8)
    if promoted is not None:
        found = replace(found, promoted=promoted)
    return smaller if found.promoted else chosen, found


def _write(floats: Path, folder: Path) -> bool:
    """Write the model anew, with perceptrons of 8 bits; whether there are any."""
    from afina_jobs.automl.graphs import write_int8  # onnx: most jobs need it not

    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(floats, folder)
    state = json.loads((folder / "model.json").read_text())
    perceptrons = [member for member in state["members"] if member["family"] == mlp.FORMAT.family]
    for member in perceptrons:
        file = folder / member["file"]
        member |= {"family": onnx.INT8_MLP.family, "file": f"{file.stem}{onnx.INT8_MLP.suffix}"}
        write_int8(mlp.load(file), folder / member["file"])
        file.unlink()
    (folder / "model.json").write_text(json.dumps(state, indent=1))
    return bool(perceptrons)


def _sides(data: Data, floats: Chosen, int8: Chosen) -> tuple[Side, Side]:
    """Both, measured.

    Raises:
        CannotLearnError: one does not predict a row alone as in the batch.
        subprocess.CalledProcessError: one cannot be loaded.
    """
    sample = data.splits.holdout[:SAMPLE_ROWS]
    rows = to_rows(data.frame.iloc[sample][list(data.settled.types)])
    both = {floats.folder: floats.digest, int8.folder: int8.digest}
    first, second = measure(rows, [both], int8.folder.parent)
    require_parity("INT8", int8.predictor.values(data.columns(sample)), second.predicted)
    return _side(data, floats, first), _side(data, int8, second)


def _side(data: Data, model: Chosen, seen: Measured) -> Side:
    said = model.predictor.predict(data.columns(data.splits.holdout))
    scores = finite(holdout_scores(data, said, model.predictor.threshold))
    return Side(scores, seen.p50_milliseconds, seen.p95_milliseconds, size_bytes(model.folder))


def decide(metric: str, floats: Side, int8: Side) -> Quantized:
    """Whether 8 bits lose less than it matters, and are faster and smaller. Pure."""
    before, after = (side.scores.get(metric, float("nan")) for side in (floats, int8))
    lost = _relative(loss(metric, after) - loss(metric, before), before)
    faster = int8.p50_milliseconds < floats.p50_milliseconds and int8.p95_milliseconds < floats.p95_milliseconds
    told = (
        f"{metric} {before:.6g} -> {after:.6g} ({lost:.2%} lost), "
        f"p50 {floats.p50_milliseconds:.3g} -> {int8.p50_milliseconds:.3g} ms, "
        f"p95 {floats.p95_milliseconds:.3g} -> {int8.p95_milliseconds:.3g} ms, "
        f"{floats.size_bytes:,} -> {int8.size_bytes:,} bytes"
    )
    wanted = {
        f"it should lose less than {MAX_LOSS:.0%}": lost < MAX_LOSS,  # NaN is not
        "it should be faster": faster,
        "it should be smaller": int8.size_bytes < floats.size_bytes,
    }
    missed = [what for what, holds in wanted.items() if not holds]
    message = f"INT8 is not promoted: {', '.join(missed)}: {told}" if missed else f"INT8 is promoted: {told}"
    return Quantized(not missed, message, floats, int8)


def _relative(worse: float, before: float) -> float:
    if before:
        return worse / abs(before)
    return float("inf") if worse > 0 else worse
