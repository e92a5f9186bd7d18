"""Plots of a study, on an HTML page that needs nothing else."""

import html
import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from optuna import Study
from optuna import visualization as show
from optuna.trial import TrialState
from plotly.graph_objects import Figure
from plotly.offline import get_plotlyjs

from afina_api.tuningjob import Objective
from afina_jobs.study.importance import evaluator
from afina_jobs.study.standing import best, value_of

if "mlflow" in sys.modules:
    import pandas  # noqa: F401 - the thread that logs to MLflow imports it, and plotly would take it half imported

log = logging.getLogger(__name__)


def _importances(study: Study, target_name: str) -> Figure:
    """As the status says them."""
    succeeded = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    return show.plot_param_importances(study, evaluator=evaluator(succeeded), target_name=target_name)


_PLOTS: dict[str, Callable[..., Figure]] = {
    "history": show.plot_optimization_history,
    "param_importances": _importances,
    "parallel_coordinate": show.plot_parallel_coordinate,
    "slice": show.plot_slice,
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; margin: 2rem auto; max-width: 70rem }}
td {{ padding: 0 2rem 0 0 }}
</style><script>{script}</script></head><body><h1>{title}</h1><p>{best}</p><table>{rows}</table>{plots}</body></html>
"""


def write_plots(study: Study, objective: Objective, title: str, file: Path) -> None:
    """Write a page with the plots that can be drawn. A trial must have succeeded."""
    leader = best(study.get_trials(deepcopy=False), objective)[0]
    rows = (f"<tr><td>{_safe(name)}</td><td>{_safe(value)}</td></tr>" for name, value in leader.params.items())
    page = _PAGE.format(
        title=_safe(title),
        script=get_plotlyjs(),
        best=_safe(f"Best: {objective.metric} {value_of(leader):.6g} (trial {leader.number})"),
        rows="".join(rows),
        plots="".join(_drawn(name, plot, study, objective) for name, plot in _PLOTS.items()),
    )
    file.write_text(page)


def _drawn(name: str, plot: Callable[..., Figure], study: Study, objective: Objective) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = plot(study, target_name=objective.metric)
    except (ValueError, RuntimeError) as error:
        # Importances want two trials that differ, for one.
        log.info("%s cannot be drawn: %s", name, error)
        return ""
    drawn: str = figure.to_html(full_html=False, include_plotlyjs=False, div_id=name)
    return drawn


def _safe(value: object) -> str:
    return html.escape(str(value))
