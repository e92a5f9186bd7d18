"""The page of plots, and `afina plot`."""

import json
import re
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial
from plotly.offline import get_plotlyjs

from afina_api.objective import Objective
from afina_jobs.results import plots
from afina_jobs.results.frontplots import pareto_plot
from afina_jobs.study.importance import importances
from support.laptop import a_kubectl, afina
from support.searches import N, X, a_job

SPACE: dict[str, BaseDistribution] = {
    **{name: FloatDistribution(0, 1) for name in ("much", "more", "some", "none", "same")},
    "kind": CategoricalDistribution(["a", "b"]),
}
EACH = ["history", "parallel_coordinate", "slice", "contour"]
ONE = ["history", "param_importances", "parallel_coordinate", "slice", "contour"]


def a_study(trials: int, objectives: int = 1) -> optuna.Study:
    """A study of trials at random places, of which some parameters matter more than others."""
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
    for _ in range(trials):
        found: dict[str, Any] = study.ask(SPACE).params | {"same": 0.5}
        value = 9 * found["more"] + 3 * found["much"] + (found["kind"] == "a") + 0.3 * found["some"]
        values = [value, *(1 - found["more"] for _ in range(objectives - 1))]
        study.add_trial(create_trial(values=values, params=found, distributions=SPACE))
    return study


def goals(count: int) -> list[Objective]:
    return [Objective(metric=f"m{index}", goal="Minimize") for index in range(count)]


def drawn(study: optuna.Study, objectives: int, folder: Path) -> tuple[list[str], str]:
    """The names of the plots on the page, and the page without Plotly's own script."""
    plots.write_plots(study, goals(objectives), "a/job <b>", folder / "page.html")
    page = (folder / "page.html").read_text().replace(get_plotlyjs(), "")
    return re.findall('<div id="([a-z_0-9]+)"', page), page


def test_draws_one_objective(tmp_path: Path) -> None:
    names, page = drawn(a_study(12), 1, tmp_path)
    assert names == ONE
    assert "<h1>a/job &lt;b&gt;</h1><p>Best: m0 " in page
    assert "<td>kind</td>" in page


@pytest.mark.parametrize(("count", "planes"), [(2, ["0_1"]), (3, ["0_1", "0_2", "1_2"])])
def test_draws_several_objectives_and_their_front(count: int, planes: list[str], tmp_path: Path) -> None:
    study = a_study(12, count)
    names, page = drawn(study, count, tmp_path)
    front = [*(f"pareto_front_{plane}" for plane in planes), "param_importances"]
    assert names == front + [f"{name}_{index}" for index in range(count) for name in EACH]
    assert f"<p>Pareto front of {len(study.best_trials)}, its knee: m0 " in page
    assert "<td>kind</td>" in page


def test_the_plot_of_a_front_tells_dominated_knee_and_infeasible_apart() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    for values in ((1, 1), (2, 3), (5, 4), (5, 2)):
        study.add_trial(create_trial(values=values))
    study.add_trial(create_trial(values=(0, 9), system_attrs={"constraints:slow": 1.0}))
    objectives = [Objective(metric="m0", goal="Minimize"), Objective(metric="m1", goal="Maximize")]
    groups = {
        trace.name: list(zip(trace.x, trace.y, strict=True)) for trace in pareto_plot(study, objectives, 0, 1).data
    }
    assert groups == {
        "breaks a constraint": [(0, 9)],
        "dominated": [(5, 2)],
        "Pareto front": [(1, 1), (2, 3), (5, 4)],
        "knee": [(2, 3)],
    }


def test_draws_trials_that_all_break_a_constraint(tmp_path: Path) -> None:
    study = optuna.create_study()
    study.add_trial(create_trial(value=1, system_attrs={"constraints:slow": 1.0}))
    assert "<p></p>" in drawn(study, 1, tmp_path)[1]


def test_draws_what_one_trial_allows(tmp_path: Path) -> None:
    assert drawn(a_study(1), 1, tmp_path)[0] == ["history", "parallel_coordinate", "slice"]


def test_importances_for_the_best_and_over_the_whole_space_stand_next_to_each_other() -> None:
    study = a_study(60)
    best, whole = plots._importances(study, "a good value").data
    assert list(best.y) == list(whole.y) == [one.name for one in importances(study)][::-1]
    assert list(best.x) == [one.value for one in importances(study)][::-1]
    assert list(whole.x) == [one.expected for one in importances(study)][::-1]
    assert (best.name, whole.name) == (
        "for a good value (PED-ANOVA)", "over the whole space (model of Hybrid)"
    )  # fmt: skip


def test_contours_are_of_the_weightiest_parameters_that_vary_from_the_best_trial_to_the_worst() -> None:
    study = a_study(60)
    figure = plots._contour(study, "m0")
    axes = (part for name, part in figure.to_dict()["layout"].items() if "axis" in name)
    titles = {axis["title"]["text"] for axis in axes if axis.get("title")}
    weights = dict(zip(*_shown(study), strict=True))
    wanted = sorted((name for name in weights if name != "same"), key=lambda name: -weights[name])[:3]
    assert titles == set(wanted)
    assert "same" not in titles


def _shown(study: optuna.Study) -> tuple[list[str], list[float]]:
    bars = plots._importances(study, "m0").data[0]
    return list(bars.y), list(bars.x)


def test_contours_stay_small(tmp_path: Path) -> None:
    study = a_study(700)
    points = [trace for trace in plots._contour(study, "m0").data if trace.type == "scatter" and trace.x is not None]
    assert {len(trace.x) for trace in points} == {100}  # every seventh of 700
    page = drawn(study, 1, tmp_path)[1]
    assert len(page) < 3_000_000


SCRIPT = 'echo "{\\"rmse\\": 1$AFINA_TRIAL_NUMBER}"'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `afina run` leaves."""
    place = tmp_path_factory.mktemp("run")
    (place / "job.yaml").write_text(yaml.safe_dump(a_job(script=SCRIPT, parameters=(X, N), trials=10)))
    assert afina("run", place / "job.yaml", "--output", place / "out").exit_code == 0
    return place / "out"


def test_draws_a_folder_as_the_run_did(folder: Path, tmp_path: Path) -> None:
    found = afina("plot", folder, "-o", tmp_path / "page.html")
    assert (found.exit_code, found.output) == (0, f"Plots: {tmp_path}/page.html\n")
    first, second = (
        re.findall('<div id="([a-z_]+)"', file.read_text()) for file in (tmp_path / "page.html", folder / "plots.html")
    )
    assert first == second == ONE
    assert "Best: rmse 10 (trial 0)" in (tmp_path / "page.html").read_text()


def test_says_what_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    found = afina("plot", folder, "-o", tmp_path / "no" / "page.html")
    assert (found.exit_code, "cannot be written: No such file" in found.output) == (1, True)


def test_draws_what_a_status_keeps_under_the_numbers_of_its_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = [
        {"number": n, "values": {"rmse": n / 2}, "params": [{"name": "x", "value": n / 9}, {"name": "n", "value": n}]}
        for n in (3, 8)
    ]
    job = a_job(script="x") | {"status": {"trials": {"total": 9}, "best": best}}
    (tmp_path / "job").write_text(json.dumps(job))
    a_kubectl(tmp_path, f"cat {tmp_path}/job", monkeypatch)
    found = afina("plot", "tuningjob", "it", "-o", tmp_path / "page.html")
    assert (found.exit_code, found.stdout) == (0, f"Plots: {tmp_path}/page.html\n")
    assert "2 of 9 trials are known here" in found.stderr
    page = (tmp_path / "page.html").read_text()
    assert "<h1>a-team/a-job</h1><p>Best: rmse 1.5 (trial 3)</p>" in page


def test_draws_nothing_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job").write_text(json.dumps(a_job(script="x")))
    a_kubectl(tmp_path, f"cat {tmp_path}/job", monkeypatch)
    found = afina("plot", "tuningjob", "it", "-o", tmp_path / "page.html")
    assert (found.exit_code, found.output) == (1, "Error: no trial has succeeded yet: there is nothing to draw\n")
