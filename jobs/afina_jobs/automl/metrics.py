"""The metrics, and which way of each is better."""

import numpy as np
from sklearn import metrics as known

from afina_jobs.automl.problem import Problem
from afina_models.arrays import Array
from afina_models.classes import labels

GREATER_IS_BETTER = {
    "LogLoss": False, "AUC": True, "Accuracy": True, "F1": True,
    "RMSE": False, "MAE": False, "R2": True, "MAPE": False, "NDCG": True,
}  # fmt: skip
TINY = 1e-15


def score(metric: str, truth: Array, predicted: Array, groups: Array | None = None, threshold: float = 0.5) -> float:
    """The metric of predictions: probabilities of the classes (rows x classes), else numbers.

    Args:
        metric: its name.
        truth: codes of the classes, or numbers.
        predicted: of the same rows.
        groups: NDCG: the query of each row.
        threshold: Accuracy, F1 of two classes: the probability from which a row is of the second.
    """
    match metric:
        case "LogLoss":
            return log_loss(truth, predicted)
        case "AUC":
            return _auc(truth, predicted)
        case "Accuracy":
            return float(known.accuracy_score(truth, labels(predicted, threshold)))
        case "F1":
            average = "binary" if predicted.shape[1] == 2 else "macro"
            return float(known.f1_score(truth, labels(predicted, threshold), average=average, zero_division=0.0))
        case "NDCG":
            return _ndcg(truth, predicted, groups if groups is not None else np.zeros(len(truth)))
        case "RMSE":
            return float(known.root_mean_squared_error(truth, predicted))
        case "MAE":
            return float(known.mean_absolute_error(truth, predicted))
        case "R2":
            return float(known.r2_score(truth, predicted))
        case "MAPE":
            return float(known.mean_absolute_percentage_error(truth, predicted))
    raise ValueError(f"there is no metric {metric!r}")


def scores(
    problem: Problem, truth: Array, predicted: Array, groups: Array | None, threshold: float
) -> dict[str, float]:
    """All metrics of the task."""
    names = {
        "Classification": ("LogLoss", "AUC", "Accuracy", "F1"),
        "Regression": ("RMSE", "MAE", "R2", "MAPE"),
        "Ranking": ("NDCG",),
    }[problem.task]
    return {name: score(name, truth, predicted, groups, threshold) for name in names}


def loss(metric: str, value: float) -> float:
    """The value, turned so that less is better."""
    return -value if GREATER_IS_BETTER[metric] else value


def log_loss(truth: Array, probabilities: Array) -> float:
    """Mean negative logarithm of the true class's probability."""
    return float(np.mean(row_log_loss(truth, probabilities)))


def row_log_loss(truth: Array, probabilities: Array) -> Array:
    """The same for each row."""
    chance = probabilities[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.clip(chance, TINY, 1.0)))


def row_losses(metric: str, truth: Array, predicted: Array, threshold: float) -> Array | None:
    """What each row adds to a metric that is a mean over rows, or grows with one; None for all others.

    Of the same rows, the less their mean is, the better is the metric. The arguments are those of `score`.
    """
    match metric:
        case "LogLoss":
            return row_log_loss(truth, predicted)
        case "Accuracy":
            return np.asarray(labels(predicted, threshold) != truth, float)
        case "RMSE":
            return np.asarray((truth - predicted) ** 2)
        case "MAE":
            return np.asarray(np.abs(truth - predicted))
        case "MAPE":
            return np.asarray(np.abs(truth - predicted) / np.maximum(np.abs(truth), np.finfo(np.float64).eps))
    return None


def _auc(truth: Array, probabilities: Array) -> float:
    """Of more than two classes the mean of each against the rest, as far as both are there."""
    wanted = [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1])
    found = [
        known.roc_auc_score(truth == code, probabilities[:, code])
        for code in wanted
        if 0 < np.count_nonzero(truth == code) < len(truth)
    ]
    return float(np.mean(found)) if found else 0.5


def _ndcg(truth: Array, predicted: Array, groups: Array) -> float:
    """Mean over the queries that have something to rank; gains are 2 ** relevance - 1."""
    found = [
        _query_ndcg(truth[rows], predicted[rows])
        for rows in (np.flatnonzero(groups == query) for query in np.unique(groups))
        if len(np.unique(truth[rows])) > 1
    ]
    return float(np.mean(found)) if found else 1.0


def _query_ndcg(truth: Array, predicted: Array) -> float:
    """Rows of equal predictions share their places: otherwise the order of the file would rank them."""
    gains = np.exp2(truth) - 1
    discounts = 1 / np.log2(np.arange(2, len(truth) + 2))
    _, tie, sizes = np.unique(-predicted, return_inverse=True, return_counts=True)
    shared = np.bincount(np.sort(tie), weights=discounts) / sizes
    return float(gains @ shared[tie] / (np.sort(gains)[::-1] @ discounts))
