"""What a worker process does for AutoML: judge a model on the folds, or fit it for good. See afina_jobs.worker."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from afina_jobs.worker import Trial
from afina_models.imports import importing, without

FAMILY, EXPORT, ROUNDS = "afina:family", "afina:export", "afina:rounds"
"""Beside the parameters of the model: its family; where to export it to; in how many rounds."""


def objective(folder: str) -> Callable[[Mapping[str, Any], Trial], float]:
    """The objective of the data that was settled in a folder; the data is loaded once.

    The value of a model is its score, that of an export the seconds of the fit.
    """
    with importing(), without("rich"):  # scikit-learn would import it, for progress bars
        from afina_jobs.automl.crossvalidation import CrossValidation
        from afina_jobs.automl.data import load_data
        from afina_jobs.automl.models.catalogue import FAMILIES

    validation = CrossValidation(load_data(Path(folder)))

    def evaluate(params: Mapping[str, Any], trial: Trial) -> float:
        family = FAMILIES[params[FAMILY]]
        own = {name: value for name, value in params.items() if not name.startswith("afina:")}
        if EXPORT in params:
            return validation.refit(family, own, params.get(ROUNDS), Path(params[EXPORT]))
        found = validation.judge(family, trial.number, own, trial.report)
        found.save(Path(folder))
        return found.score

    return evaluate
