"""Plots of a study, on an HTML page that needs nothing else."""

import html
import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import optuna
from optuna import Study
from optuna import visualization as show
from optuna.importance import get_param_importances
from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from afina_api.tuningjob import Objective
from afina_jobs.study.importance import evaluator
from afina_jobs.study.standing import best, value_of

if "mlflow" in sys.modules:
    import pandas  # noqa: F401 - the thread that logs to MLflow imports it, and plotly would take it half imported

log = logging.getLogger(__name__)


CONTOUR_TRIALS, CONTOUR_PARAMETERS = 100, 3
"""More are not drawn: the map of two parameters has a cell for each pair of their values, so that 1,000 trials in four
parameters would be 72 MiB; these are less than 1."""

Target = Callable[[FrozenTrial], float]


def _importances(study: Study, target_name: str, target: Target | None = None) -> Figure:
    """As the status says them."""
    succeeded = len(_succeeded(study))
    return show.plot_param_importances(study, evaluator=evaluator(succeeded), target=target, target_name=target_name)


def _contour(study: Study, target_name: str, target: Target | None = None) -> Figure:
    """The weightiest parameters in pairs, by trials from the best to the worst."""
    ranked = sorted(_succeeded(study), key=target or value_of)
    some = optuna.create_study(directions=study.directions)
    some.add_trials(ranked[:: math.ceil(len(ranked) / CONTOUR_TRIALS)])
    weights = get_param_importances(study, evaluator=evaluator(len(ranked)), target=target)
    names = [name for name in sorted(weights, key=lambda name: -weights[name]) if _varies(name, some)]
    if len(names) < 2:
        raise ValueError("fewer than two parameters vary")
    names = names[:CONTOUR_PARAMETERS]
    return show.plot_contour(some, params=names, target=target, target_name=target_name)


def _varies(name: str, study: Study) -> bool:
    return len({str(trial.params[name]) for trial in _succeeded(study) if name in trial.params}) > 1


def _succeeded(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


_PLOTS: dict[str, Callable[..., Figure]] = {
    "history": show.plot_optimization_history,
    "param_importances": _importances,
    "parallel_coordinate": show.plot_parallel_coordinate,
    "slice": show.plot_slice,
    "contour": _contour,
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; margin: 2rem auto; max-width: 70rem }}
td {{ padding: 0 2rem 0 0 }}
</style><script>{script}</script></head><body><h1>{title}</h1><p>{best}</p><table>{rows}</table>{plots}</body></html>
"""


def write_plots(study: Study, objectives: Sequence[Objective], title: str, file: Path) -> None:
    """Write a page with the plots that can be drawn. A trial must have succeeded.

    Of several objectives the Pareto front comes first, then each has its own plots.
    """
    page = _PAGE.format(
        title=_safe(title),
        script=get_plotlyjs(),
        **_leader(study, objectives),
        plots="".join(_drawn(name, plot) for name, plot in _figures(study, objectives)),
    )
    file.write_text(page)


def _leader(study: Study, objectives: Sequence[Objective]) -> dict[str, str]:
    """The best trial in words and its parameters in rows; of several objectives how many none is better than."""
    if len(objectives) > 1:
        return {"best": _safe(f"Pareto front: {len(study.best_trials)} trials"), "rows": ""}
    leader = best(study.get_trials(deepcopy=False), objectives[0])[0]
    rows = (f"<tr><td>{_safe(name)}</td><td>{_safe(value)}</td></tr>" for name, value in leader.params.items())
    text = f"Best: {objectives[0].metric} {value_of(leader):.6g} (trial {leader.number})"
    return {"best": _safe(text), "rows": "".join(rows)}


def _figures(study: Study, objectives: Sequence[Objective]) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Each plot's name, and what draws it."""
    names = [objective.metric for objective in objectives]
    if len(names) == 1:
        for name, plot in _PLOTS.items():
            yield name, partial(plot, study, target_name=names[0])
        return
    yield "pareto_front", partial(show.plot_pareto_front, study, target_names=names)
    for index, metric in enumerate(names):
        for name, plot in _PLOTS.items():
            yield f"{name}_{index}", partial(plot, study, target=partial(_value, index), target_name=metric)


def _value(index: int, trial: FrozenTrial) -> float:
    return float(trial.values[index])


def _drawn(name: str, plot: Callable[[], Figure]) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = plot()
    except (ValueError, RuntimeError) as error:
        # Importances want two trials that differ, for one; a front is drawn of two objectives or three.
        log.info("%s cannot be drawn: %s", name, error)
        return ""
    drawn: str = figure.to_html(full_html=False, include_plotlyjs=False, div_id=name)
    return drawn


def _safe(value: object) -> str:
    return html.escape(str(value))
