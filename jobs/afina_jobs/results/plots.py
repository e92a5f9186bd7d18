"""Plots of a study as HTML files that need nothing else, and a page that shows them together."""

import html
import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas  # noqa: F401 - plotly would take it half imported, as the thread that logs to MLflow imports it too
from optuna import Study
from optuna import visualization as show
from optuna.trial import FrozenTrial
from plotly.graph_objects import Figure

from afina_api.tuningjob import Objective
from afina_jobs.study.standing import best, value_of

log = logging.getLogger(__name__)

_PLOTS: dict[str, Callable[..., Figure]] = {
    "history": show.plot_optimization_history,
    "param_importances": show.plot_param_importances,
    "parallel_coordinate": show.plot_parallel_coordinate,
    "slice": show.plot_slice,
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; margin: 2rem auto; max-width: 70rem }}
td {{ padding: 0 2rem 0 0 }} iframe {{ border: 0; width: 100%; height: 32rem }}
</style></head><body><h1>{title}</h1><p>{best}</p><table>{rows}</table>{frames}</body></html>
"""


def write_plots(study: Study, objective: Objective, title: str, folder: Path) -> None:
    """Write the plots that can be drawn, and a page of them all. A trial must have succeeded."""
    leader = best(study.get_trials(deepcopy=False), objective)[0]
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [name for name, plot in _PLOTS.items() if _draw(plot, study, objective, folder / f"{name}.html")]
    (folder / "index.html").write_text(_page(title, leader, objective, drawn))


def _draw(plot: Callable[..., Figure], study: Study, objective: Objective, file: Path) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            figure = plot(study, target_name=objective.metric)
    except (ValueError, RuntimeError) as error:
        # Importances want two trials that differ, for one.
        log.info("%s cannot be drawn: %s", file.stem, error)
        return False
    figure.write_html(file, include_plotlyjs=True)
    return True


def _page(title: str, leader: FrozenTrial, objective: Objective, drawn: Sequence[str]) -> str:
    rows = (f"<tr><td>{_safe(name)}</td><td>{_safe(value)}</td></tr>" for name, value in leader.params.items())
    return _PAGE.format(
        title=_safe(title),
        best=_safe(f"Best: {objective.metric} {value_of(leader):.6g} (trial {leader.number})"),
        rows="".join(rows),
        frames="".join(f'<iframe src="{name}.html" title="{name}"></iframe>' for name in drawn),
    )


def _safe(value: object) -> str:
    return html.escape(str(value))
