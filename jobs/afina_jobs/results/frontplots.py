"""Plots of a Pareto front."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations

from optuna import Study
from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Figure, Scatter

from afina_api.objective import Objective
from afina_jobs.progress import parameters
from afina_jobs.study.standing import best, front, is_feasible


def front_plots(study: Study, objectives: Sequence[Objective]) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Names of plots, and what draws them: the front in each pair of objectives."""
    for x, y in combinations(range(len(objectives)), 2):
        yield f"pareto_front_{x}_{y}", partial(pareto_plot, study, objectives, x, y)


def pareto_plot(study: Study, objectives: Sequence[Objective], x: int, y: int) -> Figure:
    """The trials in the plane of two objectives, by their indices; the front and its knee stand out.

    Of more than two objectives, a trial of the front may look dominated here: it is better in another plane.
    """
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    leaders = front(trials, objectives)
    numbers = {trial.number for trial in leaders}
    dominated = [trial for trial in trials if is_feasible(trial) and trial.number not in numbers]
    groups: list[tuple[str, Sequence[FrozenTrial], str, int, str]] = [
        ("breaks a constraint", [trial for trial in trials if not is_feasible(trial)], "lightgrey", 6, "x"),
        ("dominated", dominated, "steelblue", 6, "circle"),
        ("Pareto front", leaders, "crimson", 9, "circle"),
        ("knee", best(trials, objectives), "crimson", 16, "star"),
    ]
    figure = Figure()
    for name, members, color, size, symbol in groups:
        figure.add_trace(
            Scatter(
                x=[trial.values[x] for trial in members],
                y=[trial.values[y] for trial in members],
                text=[f"trial {trial.number}<br>{parameters(trial.params)}" for trial in members],
                name=name,
                mode="markers",
                marker={"color": color, "size": size, "symbol": symbol},
            )
        )
    axes = [f"{objective.metric} ({objective.goal})" for objective in objectives]
    return figure.update_layout(title="Pareto front", xaxis_title=axes[x], yaxis_title=axes[y])
