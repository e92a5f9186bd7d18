"""Plots of a study, on an HTML page that needs nothing else."""

import html
import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import optuna
from optuna import Study
from optuna import visualization as show
from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Bar, Figure
from plotly.offline import get_plotlyjs

from afina_api.objective import Objective
from afina_jobs.progress import headline
from afina_jobs.results.frontplots import front_plots
from afina_jobs.study.importance import importances, pedanova
from afina_jobs.study.standing import best, value_of

if "mlflow" in sys.modules:
    with suppress(ImportError):  # a driver does without
        import pandas  # noqa: F401 - the thread that logs to MLflow imports it, and plotly would take it half imported

log = logging.getLogger(__name__)


CONTOUR_TRIALS, CONTOUR_PARAMETERS = 100, 3
"""More are not drawn: the map of two parameters has a cell for each pair of their values, so that 1,000 trials in four
parameters would be 72 MiB; these are less than 1."""

Target = Callable[[FrozenTrial], float]


def _importances(study: Study, wanted: str) -> Figure:
    """As the status says them."""
    found = importances(study)[::-1]
    if not found:
        raise ValueError("too few trials have succeeded")
    names = [one.name for one in found]
    figure = Figure(Bar(x=[one.value for one in found], y=names, orientation="h", name=f"for {wanted} (PED-ANOVA)"))
    if any(one.expected is not None for one in found):
        expected = [one.expected for one in found]
        figure.add_trace(Bar(x=expected, y=names, orientation="h", name="over the whole space (model of Hybrid)"))
    return figure.update_layout(title="Importance of the parameters", xaxis_title="share", legend_traceorder="reversed")


def _contour(study: Study, target_name: str, target: Target | None = None) -> Figure:
    """The weightiest parameters in pairs, by trials from the best to the worst."""
    ranked = sorted(_succeeded(study), key=target or value_of)
    some = optuna.create_study(directions=study.directions)
    some.add_trials(ranked[:: math.ceil(len(ranked) / CONTOUR_TRIALS)])
    names = [name for name in pedanova(study) if _varies(name, some)]
    if len(names) < 2:
        raise ValueError("fewer than two parameters vary")
    names = names[:CONTOUR_PARAMETERS]
    return show.plot_contour(some, params=names, target=target, target_name=target_name)


def _varies(name: str, study: Study) -> bool:
    return len({str(trial.params[name]) for trial in _succeeded(study) if name in trial.params}) > 1


def _succeeded(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


_HISTORY = show.plot_optimization_history
_VALUES: dict[str, Callable[..., Figure]] = {
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

    Of several objectives the Pareto front comes first, and after the importances each has its own plots.
    """
    page = _PAGE.format(
        title=_safe(title),
        script=get_plotlyjs(),
        **_leader(study, objectives),
        plots="".join(_drawn(name, plot) for name, plot in _figures(study, objectives)),
    )
    file.write_text(page)


def _leader(study: Study, objectives: Sequence[Objective]) -> dict[str, str]:
    """The best trial, or the knee, in words and its parameters in rows; nothing where all break a constraint."""
    trials = study.get_trials(deepcopy=False)
    params = [pair for leader in best(trials, objectives) for pair in leader.params.items()]
    rows = (f"<tr><td>{_safe(name)}</td><td>{_safe(value)}</td></tr>" for name, value in params)
    return {"best": _safe(headline(trials, objectives)), "rows": "".join(rows)}


def _figures(study: Study, objectives: Sequence[Objective]) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Each plot's name, and what draws it."""
    if len(objectives) == 1:
        metric = objectives[0].metric
        yield "history", partial(_HISTORY, study, target_name=metric)
        yield "param_importances", partial(_importances, study, "a good value")
        for name, plot in _VALUES.items():
            yield name, partial(plot, study, target_name=metric)
        return
    yield from front_plots(study, objectives)
    yield "param_importances", partial(_importances, study, "the Pareto front")
    for index, objective in enumerate(objectives):
        for name, plot in {"history": _HISTORY, **_VALUES}.items():
            yield f"{name}_{index}", partial(plot, study, target=partial(_value, index), target_name=objective.metric)


def _value(index: int, trial: FrozenTrial) -> float:
    return float(trial.values[index])


def _drawn(name: str, plot: Callable[[], Figure]) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = plot()
    except (ValueError, RuntimeError) as error:
        # Importances want two trials that differ, for one.
        log.info("%s cannot be drawn: %s", name, error)
        return ""
    drawn: str = figure.to_html(full_html=False, include_plotlyjs=False, div_id=name)
    return drawn


def _safe(value: object) -> str:
    return html.escape(str(value))
