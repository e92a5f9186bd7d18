"""A multilayer perceptron: torch fits it, numpy predicts."""

from typing import Any

import numpy as np

from afina_jobs.automl.models.base import Family, Order, Rows, floats, integers
from afina_models.formats.mlp import FORMAT, Perceptron

_MAX_EPOCHS = 200
_MAX_SAMPLES = 600_000
"""Rows times epochs: some seconds on one core. Large tables need fewer epochs."""
_PATIENCE = 15
_BATCH = 256
_CHUNK = 2**14
"""Rows whose loss is taken at a time: their hidden layers are wider than they are."""


def fit(order: Order) -> Perceptron:
    """Descend until the early rows get no better, or for the given epochs.

    Raises:
        ArithmeticError: the loss is never a number.
    """
    import torch  # not in every image

    torch.manual_seed(order.seed)
    torch.set_num_threads(order.threads)
    numbers = not order.classes
    middle = float(order.rows.target.mean()) if numbers else 0.0
    spread = (float(order.rows.target.std()) or 1.0) if numbers else 1.0
    network = _network(torch, order)
    data = _tensors(torch, order.rows, middle, spread, numbers=numbers)
    # Of a tiny data set, chance may keep no rows to stop by.
    stop_by = order.early if order.early and len(order.early.target) else None
    early = _tensors(torch, stop_by, middle, spread, numbers=numbers) if stop_by else None
    state, epochs = _descend(torch, network, data, early, order)
    network.load_state_dict(state)
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    weights = tuple(layer.weight.detach().numpy().T.astype(float) for layer in linear)
    biases = tuple(layer.bias.detach().numpy().astype(float) for layer in linear)
    return Perceptron(weights, biases, order.classes, middle, spread, epochs)


def _network(torch: Any, order: Order) -> Any:
    width, inputs = int(order.params["width"]), order.rows.features.shape[1]
    layers = []
    for _ in range(int(order.params["layers"])):
        layers += [torch.nn.Linear(inputs, width), torch.nn.ReLU(), torch.nn.Dropout(float(order.params["dropout"]))]
        inputs = width
    return torch.nn.Sequential(*layers, torch.nn.Linear(inputs, order.classes or 1))


def _tensors(torch: Any, rows: Rows, middle: float, spread: float, *, numbers: bool) -> tuple[Any, Any]:
    target = (rows.target - middle) / spread if numbers else rows.target
    kind = torch.float32 if numbers else torch.int64
    return torch.as_tensor(rows.features, dtype=torch.float32), torch.as_tensor(target, dtype=kind)


def _descend(torch: Any, network: Any, data: tuple[Any, Any], early: Any, order: Order) -> tuple[Any, int]:
    """The best state, and after how many epochs it came."""
    settings = {"lr": float(order.params["learning_rate"]), "weight_decay": float(order.params["weight_decay"])}
    optimizer = torch.optim.AdamW(network.parameters(), **settings)
    best, state, reached = np.inf, network.state_dict(), 0
    epochs = order.rounds or max(1, min(_MAX_EPOCHS, _MAX_SAMPLES // len(data[0])))
    for epoch in range(1, epochs + 1):
        network.train()
        for batch in torch.randperm(len(data[0])).split(_BATCH):
            optimizer.zero_grad()
            _loss(torch, network, data[0][batch], data[1][batch]).backward()
            optimizer.step()
        network.eval()
        loss = _mean_loss(torch, network, *early) if early else -epoch
        if loss < best:
            best, reached = loss, epoch
            state = {name: value.clone() for name, value in network.state_dict().items()}
        if epoch - reached >= _PATIENCE:
            break
    if not reached:
        raise ArithmeticError("its loss is not finite")
    return state, reached


def _mean_loss(torch: Any, network: Any, features: Any, target: Any) -> float:
    parts = list(zip(features.split(_CHUNK), target.split(_CHUNK), strict=True))
    with torch.no_grad():
        return sum(float(_loss(torch, network, *part)) * len(part[1]) for part in parts) / len(target)


def _loss(torch: Any, network: Any, features: Any, target: Any) -> Any:
    found = network(features)
    if target.dtype == torch.int64:
        return torch.nn.functional.cross_entropy(found, target)
    return torch.nn.functional.mse_loss(found[:, 0], target)


FAMILY = Family(
    format=FORMAT,
    space=(
        floats("learning_rate", 1e-4, 1e-2, "Log"),
        floats("weight_decay", 1e-6, 1e-1, "Log"),
        floats("dropout", 0.0, 0.5),
        integers("layers", 1, 4),
        integers("width", 16, 512, "Log"),
    ),
    default={"learning_rate": 1e-3, "weight_decay": 1e-3, "dropout": 0.1, "layers": 2, "width": 128},
    fit=fit,
    stops_early=True,
    needs="torch",
)
