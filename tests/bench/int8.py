"""A wide perceptron in floats and in 8 bits: ours, ONNX Runtime's and torch's, one row at a time in one thread.

784-2048-2048-1024-10, which learns scikit-learn's handwritten digits, enlarged to 28 x 28. Run by hand:
`make bench-int8`. Calls of all systems take turns, so that what else the machine does meets all alike.
"""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from skimage.transform import resize
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

from afina_jobs.automl.graphs import graph, write_int8
from afina_models.arrays import Array
from afina_models.formats import mlp, onnx
from afina_models.formats.mlp import Perceptron

torch: Any = import_module("torch")  # its types are half a truth
SIDE, WIDTHS, CLASSES = 28, (2048, 2048, 1024), 10
EPOCHS, BATCH, SEED = 10, 64, 0
CALLS, TURN = 1000, 10
"""Calls of each system, and how many of them it gets in a turn."""

Predict = Callable[[Array], Array]
"""Of rows; the greatest number of each is its class."""


@dataclass(frozen=True)
class System:
    name: str
    predict: Predict
    file: Path


def digits() -> tuple[Array, Array, Array, Array]:
    """Rows and classes, to learn from and to judge by."""
    images, target = load_digits(return_X_y=True)
    large = [resize(image.reshape(8, 8) / 16, (SIDE, SIDE)).ravel() for image in images]
    seen, unseen, known, truth = train_test_split(
        np.array(large, dtype=np.float32), target, test_size=0.3, random_state=SEED
    )
    return seen, unseen, known, truth


def fitted(features: Array, target: Array) -> Any:
    torch.manual_seed(SEED)
    layers: list[Any] = []
    for inputs, outputs in zip((SIDE**2, *WIDTHS), WIDTHS, strict=False):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(WIDTHS[-1], CLASSES))
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-4)
    rows, classes = torch.as_tensor(features), torch.as_tensor(target)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(rows)).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(rows[batch]), classes[batch]).backward()
            optimizer.step()
    return network.eval()


def systems(network: Any, folder: Path) -> list[System]:
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    weights = tuple(layer.weight.detach().numpy().T.astype(float) for layer in linear)
    biases = tuple(layer.bias.detach().numpy().astype(float) for layer in linear)
    ours = Perceptron(weights, biases, CLASSES, 0.0, 1.0)
    files = [folder / name for name in ("ours.npz", "int8.onnx", "floats.onnx", "floats.pt", "int8.pt")]
    ours.save(files[0])
    write_int8(ours, files[1])
    files[2].write_bytes(graph(ours).SerializeToString())
    with warnings.catch_warnings(action="ignore"):
        small = torch.ao.quantization.quantize_dynamic(network, {torch.nn.Linear}, dtype=torch.qint8)
        torch.save(network.state_dict(), files[3])
        torch.save(small.state_dict(), files[4])
    predictors = [
        mlp.load(files[0]).predict, onnx.load(files[1]).predict, onnx.load(files[2]).predict, by(network), by(small),
    ]  # fmt: skip
    names = ("Afina, floats", "Afina, INT8", "ONNX Runtime, floats", "torch, floats", "torch, INT8")
    return [System(*found) for found in zip(names, predictors, files, strict=True)]


def by(network: Any) -> Predict:
    def predict(features: Array) -> Array:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(features)))

    return predict


def milliseconds(found: list[System], rows: Array) -> dict[str, Array]:
    """Of every call."""
    times: dict[str, list[float]] = {system.name: [] for system in found}
    for begin in range(0, CALLS, TURN):
        for system in found:
            for call in range(begin, begin + TURN):
                row = rows[call % len(rows)][None]
                began = time.perf_counter()
                system.predict(row)
                times[system.name].append(1000 * (time.perf_counter() - began))
    return {name: np.array(all_) for name, all_ in times.items()}


def main() -> None:
    seen, unseen, known, truth = digits()
    network = fitted(seen, known)
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder, threadpool_limits(1):
        found = systems(network, Path(folder))
        times = milliseconds(found, unseen)
        floats = found[0]
        print(f"{'':22}{'p50 ms':>8}{'p95 ms':>8}{'MiB':>7}{'accuracy':>10}{'faster':>8}{'smaller':>9}")
        for system in found:
            right = float((system.predict(unseen).argmax(axis=1) == truth).mean())
            p50, p95 = np.percentile(times[system.name], [50, 95])
            faster = np.median(times[floats.name]) / p50
            size, smaller = system.file.stat().st_size, floats.file.stat().st_size / system.file.stat().st_size
            print(f"{system.name:22}{p50:8.2f}{p95:8.2f}{size / 2**20:7.1f}{right:10.4f}{faster:7.1f}x{smaller:8.1f}x")


if __name__ == "__main__":
    main()
