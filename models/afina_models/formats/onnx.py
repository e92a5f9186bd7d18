"""Graphs of ONNX; ONNX Runtime predicts.

A graph has one input, rows x features of 32 bits, and its only output is probabilities, or numbers in one column or in
none. Only operators of the runtime itself can be in it: no library of others is ever registered.
"""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from afina_models.arrays import Array
from afina_models.formats.base import Format

if TYPE_CHECKING:
    import onnxruntime  # slow to import; a library that is broken breaks no other format


@dataclass(frozen=True)
class Graph:
    """A graph, ready to run."""

    session: "onnxruntime.InferenceSession"
    file: Path
    """That it was read from."""
    rounds: None = None

    def predict(self, features: Array) -> Array:
        """Probabilities, or numbers.

        Row by row: a graph with whole numbers takes their scale from all that it is given at once, so that rows would
        be predicted otherwise among others than alone (github.com/microsoft/onnxruntime/issues/10111).
        """
        name, output = self._ends
        rows = np.asarray(features, dtype=np.float32)
        parts = [self.session.run([output.name], {name: rows[at : at + 1]})[0] for at in range(len(rows))]
        found = np.concatenate(parts) if parts else np.zeros((0, *output.shape[1:]))
        return found[:, 0] if found.shape[1:] == (1,) else found

    @cached_property
    def _ends(self) -> tuple[str, "onnxruntime.NodeArg"]:
        """The name of the input, and the output."""
        return self.session.get_inputs()[0].name, self.session.get_outputs()[0]

    def save(self, file: Path) -> None:
        """Copy the file."""
        shutil.copyfile(self.file, file)


def load(file: Path) -> Graph:
    """Read a graph; it predicts in one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return Graph(onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"]), file)


GRAPH = Format("ONNX", "Plain", ".onnx", load)
INT8_MLP = Format("Int8MLP", "Scaled", ".onnx", load)
