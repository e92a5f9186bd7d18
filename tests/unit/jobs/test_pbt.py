"""Population based training: who goes on from whom, and with which parameters."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from afina_api.algorithm import PBTSettings
from afina_api.reasons import TrialReason
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Failed, Outcome, Proposal, Succeeded
from afina_jobs.search.pbt import moved
from afina_jobs.search.population import ORIGIN, Origin, goes_on, needed, next_origin, origin_of
from afina_jobs.search.space import Distribution
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.storage import open_storage, sqlite_url
from support.searches import N, X, a_job, in_memory

Json = dict[str, Any]

RUNS, FAILS = "runs", "fails"
LOG = {"name": "lr", "float": {"min": 1e-5, "max": 1, "scale": "Log"}}
STEP = {"name": "step", "float": {"min": 0, "max": 1, "step": 0.1}}
KIND = {"name": "kind", "categorical": {"choices": ["small", "middle", "large"]}}
WIDTH = {"name": "width", "int": {"min": 10, "max": 90, "step": 20}, "when": [{"parameter": "kind", "in": ["large"]}]}


def a_trial(number: int, member: int, what: float | str, parent: int | None = None, broken: float = 0.0) -> FrozenTrial:
    """A trial of a member that runs, failed, or came to a value."""
    states = {RUNS: TrialState.RUNNING, FAILS: TrialState.FAIL}
    state = states.get(str(what), TrialState.COMPLETE)
    trial = create_trial(
        state=state,
        value=float(what) if state == TrialState.COMPLETE else None,
        user_attrs={ORIGIN: Origin(member, parent).as_attribute()},
        system_attrs={"constraints:limit:max": broken},
    )
    trial.number = number
    return trial


def population(*whats: float | str) -> list[FrozenTrial]:
    """The first trials of as many members."""
    return [a_trial(number, number, what) for number, what in enumerate(whats)]


def following(trials: list[FrozenTrial], size: int = 8, quantile: float = 0.25, maximize: bool = False) -> set[Origin]:
    """What the next trial may go on from, whatever is drawn."""
    settings = PBTSettings(population_size=size, quantile_fraction=quantile)
    direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
    return {next_origin(trials, settings, direction, np.random.RandomState(seed)) for seed in range(40)}


EIGHT = (5.0, 1.0, 6.0, 2.0, 8.0, 3.0, 7.0, 4.0)
"""Two of them, members 1 and 3, are the best quarter; two, members 4 and 6, the worst."""


def test_first_trials_belong_to_a_member_each() -> None:
    assert following(population(5.0, RUNS, FAILS)) == {Origin(3, None)}


def test_a_member_goes_on_from_itself() -> None:
    assert following(population(*EIGHT)) == {Origin(0, 0)}


@pytest.mark.parametrize(("maximize", "best"), [(False, {1, 3}), (True, {4, 6})])
def test_the_worst_go_on_from_the_best(maximize: bool, best: set[int]) -> None:
    trials = population(*EIGHT)
    worst = {4, 6, 1, 3} - best
    begun = [*trials]
    for member in range(8):
        expected = {Origin(member, parent) for parent in best} if member in worst else {Origin(member, member)}
        assert following(begun, maximize=maximize) == expected
        begun.append(a_trial(len(begun), member, RUNS, parent=member))


def test_a_member_is_measured_by_its_last_result() -> None:
    trials = [*population(*EIGHT), a_trial(8, 0, 9.0, parent=0), *(a_trial(n, n - 8, RUNS) for n in range(9, 16))]
    assert following(trials) == {Origin(0, 1), Origin(0, 3)}


def test_the_one_that_failed_goes_on_from_the_best() -> None:
    assert following(population(FAILS, *EIGHT[1:])) == {Origin(0, 1), Origin(0, 3)}
    trials = [*population(1.0, 2.0), a_trial(2, 0, FAILS, parent=0), a_trial(3, 1, 2.0, parent=1)]
    assert following(trials, size=2) == {Origin(0, 0)}, "also where the best is its own last success"
    assert not goes_on(a_trial(4, 0, RUNS, parent=0), trials), "but not with the same parameters"
    assert following(population(FAILS, FAILS), size=2) == {Origin(0, None)}, "of nothing, from nothing"


def test_nobody_waits_for_a_slow_one() -> None:
    trials = population(RUNS, *EIGHT[1:])
    assert following(trials) == {Origin(1, 1)}
    trials += [a_trial(7 + member, member, EIGHT[member] - 1, parent=member) for member in range(1, 8)]
    assert following(trials) == {Origin(1, 8)}, "it has fewest trials, but runs"
    ended = [a_trial(0, 0, 9.0), *trials[1:]]
    assert following(ended) == {Origin(0, 1), Origin(0, 3)}, "and is compared with the others as they were"
    ended += [a_trial(14 + member, member, EIGHT[member] - 2, parent=7 + member) for member in range(1, 8)]
    assert following(ended) == {Origin(0, 8), Origin(0, 10)}, "as far back as they are kept"


def test_like_is_compared_with_like() -> None:
    """Who has trained more is better, and two run at a time: still a quarter of each generation is copied."""
    trials: list[FrozenTrial] = []
    settings, random = PBTSettings(), np.random.RandomState(1)
    depth: dict[int | None, int] = {None: 0}
    for number in range(40):
        origin = next_origin(trials, settings, StudyDirection.MINIMIZE, random)
        depth[number] = depth[origin.parent] + 1
        trials += [a_trial(number, origin.member, RUNS, origin.parent)]
        if number:
            before = origin_of(trials[number - 1])
            value = EIGHT[before.member] - 10.0 * depth[number - 1]  # type: ignore[union-attr]
            trials[number - 1] = a_trial(number - 1, before.member, value, before.parent)  # type: ignore[union-attr]
    copied = [trial.number // 8 for trial in trials[8:] if not goes_on(trial, trials)]
    assert [copied.count(generation) for generation in (1, 2, 3, 4)] == [2, 2, 2, 2]
    assert [depth[number] for number in range(0, 40, 8)] == [1, 2, 3, 4, 5]


def test_nobody_is_copied_where_the_worst_are_none() -> None:
    assert following(population(*EIGHT)[:5] + population(*EIGHT)[5:], quantile=0) == {Origin(0, 0)}
    trials = [*population(*EIGHT), *(a_trial(8 + n, n, RUNS) for n in range(4))]
    assert following(trials, quantile=0) == {Origin(4, 4)}


def test_of_three_one_is_the_worst() -> None:
    assert following(population(3.0, 2.0, 1.0), size=3) == {Origin(0, 2)}
    assert following(population(3.0, 2.0, 1.0), size=3, quantile=0.5) == {Origin(0, 1), Origin(0, 2)} - {Origin(0, 1)}


def test_of_equals_the_one_that_is_asked_is_the_worst() -> None:
    assert following(population(*[1.0] * 8)) == {Origin(0, 6), Origin(0, 7)}


def test_what_breaks_a_constraint_is_worse_than_all_that_keep_it() -> None:
    trials = [a_trial(0, 0, 0.0, broken=0.1), *population(*EIGHT)[1:]]
    assert trials[0].constraints == {"limit:max": 0.1}
    assert following(trials) == {Origin(0, 1), Origin(0, 3)}


def test_checkpoints_are_needed_of_what_runs_its_parents_and_last_successes() -> None:
    trials = [
        *population(3.0, 2.0, FAILS),
        a_trial(3, 0, 2.5, parent=0),
        a_trial(4, 1, FAILS, parent=1),
        a_trial(5, 2, RUNS, parent=1),
        a_trial(6, 0, RUNS, parent=3),
    ]
    assert needed(trials) == {0, 1, 3, 5, 6}, "the last two of a member, and the only one of another"
    trials[6] = a_trial(6, 0, 2.0, parent=3)
    assert needed(trials) == {1, 3, 5, 6}
    trials[1] = a_trial(1, 1, FAILS)
    assert needed(trials) == {1, 3, 5, 6}, "also one that will be copied still"
    plain = create_trial(state=TrialState.COMPLETE, value=1.0)
    assert needed([plain]) == frozenset(), "where there is no population"


MOVES: dict[str, tuple[Distribution, Any, Any, Any]] = {
    "a float": (FloatDistribution(0, 1), 0.5, 0.4, 0.6),
    "a float at its end": (FloatDistribution(0, 1), 0.9, 0.72, 1.0),
    "orders of magnitude": (FloatDistribution(1e-5, 1, log=True), 1e-3, 8e-4, 1.2e-3),
    "orders of magnitude at their end": (FloatDistribution(1e-5, 1, log=True), 1.1e-5, 1e-5, 1.32e-5),
    "below zero": (FloatDistribution(-1, 1), -0.5, -0.4, -0.6),
    "steps": (FloatDistribution(0.5, 2.5, step=0.5), 2.5, 2.0, 2.5),
    "a step at least": (FloatDistribution(0.5, 2.5, step=0.5), 1.0, 0.5, 1.5),
    "whole numbers": (IntDistribution(1, 100), 50, 40, 60),
    "small whole numbers": (IntDistribution(0, 9), 1, 0, 2),
    "whole numbers of magnitude": (IntDistribution(1, 1024, log=True), 512, 410, 614),
    "whole steps": (IntDistribution(10, 90, step=20), 70, 50, 90),
    "from zero": (IntDistribution(0, 9), 0, 0, 1),
    "choices": (CategoricalDistribution(("a", "b", 3)), "b", "a", 3),
    "choices at their end": (CategoricalDistribution(("a", "b", 3)), 3, "b", 3),
}


@pytest.mark.parametrize(("distribution", "value", "less", "more"), MOVES.values(), ids=MOVES)
def test_a_value_moves_within_its_range(distribution: Distribution, value: Any, less: Any, more: Any) -> None:
    found: list[Any] = [moved(distribution, value, factor) for factor in (0.8, 1.2)]
    assert found == [one if isinstance(one, str) else pytest.approx(one) for one in (less, more)]
    assert [type(one) for one in found] == [type(less), type(more)]
    assert all(distribution._contains(distribution.to_internal_repr(one)) for one in found)


class Members:
    """A search without processes; without a folder it is forgotten."""

    def __init__(self, folder: Path | None, *, pbt: Json | None = None, seed: int = 1, **spec: Any) -> None:
        settings = {"name": "PBT", "seed": seed, "pbt": {"populationSize": 4} | (pbt or {})}
        more = {name: spec.pop(name) for name in list(spec) if name == "initialConfigs"}
        job = a_job(script="true", algorithm=settings, **{"parameters": [X, N, LOG, STEP, KIND, WIDTH]} | spec)
        job["spec"] |= more
        storage = open_storage(sqlite_url(folder)) if folder else in_memory()
        self.ledger = Ledger(storage, TuningJob.model_validate(job))

    def run(self, trials: int, outcome: Callable[[Proposal], Outcome]) -> list[FrozenTrial]:
        """Evaluate until there are so many trials, and let go of the study."""
        while proposal := self.ledger.begin_trial(trials):
            self.ledger.end_trial(proposal.number, outcome(proposal))
        found = self.ledger.trials()
        self.ledger.close()
        return found


def worth(proposal: Proposal) -> Outcome:
    """Best at a small x; the ninth fails."""
    if proposal.number == 9:
        return Failed(TrialReason.EXCEPTION, "on purpose")
    return Succeeded((float(proposal.params["x"]) + float(proposal.params["n"]),))


def widest(proposal: Proposal) -> Outcome:
    """Wants more than the constraints allow."""
    kinds = KIND["categorical"]["choices"]  # type: ignore[index]
    return Succeeded((-10.0 * kinds.index(proposal.params["kind"]) - float(proposal.params["n"]),))


def test_parameters_are_the_parents_or_near_them() -> None:
    trials = Members(None, pbt={"resampleProbability": 0}, parameters=[X, N, LOG, STEP]).run(40, worth)
    for trial in trials:
        origin = origin_of(trial)
        assert origin
        if trial.number < 4:
            assert origin == Origin(trial.number, None)
            continue
        assert origin.parent is not None
        parent = trials[origin.parent]
        if goes_on(trial, trials):
            assert (trial.params, origin_of(parent).member) == (parent.params, origin.member)  # type: ignore[union-attr]
        else:
            assert trial.params != parent.params
            shares = [trial.params["x"] / parent.params["x"], trial.params["lr"] / parent.params["lr"]]
            assert all(0.79 < share < 1.21 for share in shares)
            assert 0 < abs(trial.params["step"] - parent.params["step"]) < 0.21 or trial.params["step"] in (0, 1)
            assert trial.params["n"] != parent.params["n"] or trial.params["n"] in (1, 9)
    explored = [trial for trial in trials[4:] if not goes_on(trial, trials)]
    assert 8 < len(explored) < 28
    assert len({params["x"] for params in (trial.params for trial in explored)}) > 2


def test_parameters_are_drawn_anew_as_often_as_asked() -> None:
    many = [{"name": f"x{index}", "float": {"min": 0, "max": 1}} for index in range(60)]
    trials = Members(None, pbt={"populationSize": 2, "resampleProbability": 0.25}, parameters=many).run(
        16, lambda proposal: Succeeded((float(proposal.params["x0"]),))
    )
    anew = []
    for trial in trials[2:]:
        if not goes_on(trial, trials):
            parent = trials[origin_of(trial).parent].params  # type: ignore[union-attr, index]
            near = (parent[name] * factor for name in parent for factor in (0.8, 1.2))
            close = set(np.round([min(value, 1.0) for value in near], 9))
            anew += [value for value in trial.params.values() if round(value, 9) not in close]
    assert len(anew) > 60
    explored = sum(not goes_on(trial, trials) for trial in trials[2:])
    assert 0.2 < len(anew) / (60 * explored) < 0.3


def test_what_is_drawn_has_nothing_to_do_with_that_it_is_drawn() -> None:
    settings = {"populationSize": 2, "resampleProbability": 0.5}
    trials = Members(None, pbt=settings, parameters=[X]).run(32, lambda _: Succeeded((1.0,)))
    shares = {
        trial.params["x"]: trial.params["x"] / trials[origin.parent].params["x"]
        for trial in trials
        if (origin := origin_of(trial)) and origin.parent is not None
    }
    anew = [value for value, share in shares.items() if share not in (pytest.approx(0.8), pytest.approx(1.2))]
    assert len(anew) > 8
    assert min(anew) < 0.3
    assert max(anew) > 0.7


def test_conditions_and_constraints_are_kept() -> None:
    rules = [{"name": "narrow", "expression": "width * n <= 100"}, {"name": "few", "expression": "n + x <= 6"}]
    trials = Members(None, pbt={"quantileFraction": 0.5}, constraints=rules).run(60, widest)
    for trial in trials:
        assert ("width" in trial.params) == (trial.params["kind"] == "large")
        assert trial.params.get("width", 0) * trial.params["n"] <= 100
        assert trial.params["n"] + trial.params["x"] <= 6
    explored = [(trial, origin.parent) for trial in trials[4:] if (origin := origin_of(trial))]
    assert any("width" in trial.params and "width" not in trials[parent or 0].params for trial, parent in explored)
    assert sum(not goes_on(trial, trials) for trial in trials[4:]) > 10


def test_given_parameters_are_those_of_the_first_members() -> None:
    given = [{"params": [{"name": "x", "value": value}, {"name": "n", "value": 3}]} for value in (0.25, 0.75)]
    trials = Members(None, parameters=[X, N], initialConfigs=given).run(5, worth)
    assert [trial.params["x"] for trial in trials[:2]] == [0.25, 0.75]
    assert [origin_of(trial) for trial in trials[:4]] == [Origin(member, None) for member in range(4)]
    assert trials[4].params == {"x": 0.25, "n": 3}


def test_same_seed_and_kills_give_the_same(tmp_path: Path) -> None:
    straight = Members(None).run(20, worth)
    for ended, stored in ((2, 0), (8, 3), (11, 1)):
        driver = Members(tmp_path)
        while (proposal := driver.ledger.begin_trial(ended)) is not None:
            driver.ledger.end_trial(proposal.number, worth(proposal))
        half = driver.ledger.study.ask()
        for name, distribution in list(driver.ledger._space.distributions.items())[:stored]:
            half._suggest(name, distribution)
        driver.ledger.close()
    killed = Members(tmp_path).run(20, worth)
    assert [(trial.params, trial.user_attrs[ORIGIN]) for trial in killed] == [
        (trial.params, trial.user_attrs[ORIGIN]) for trial in straight
    ]
    other = Members(None, seed=2).run(20, worth)
    assert [trial.params for trial in other] != [trial.params for trial in straight]


def test_an_origin_stays_whatever_ends_later(tmp_path: Path) -> None:
    driver = Members(tmp_path)
    first = [driver.ledger.begin_trial(99) for _ in range(4)]
    for proposal in first[:3]:
        assert proposal
        driver.ledger.end_trial(proposal.number, Succeeded((float(proposal.number),)))
    begun = driver.ledger.begin_trial(99)
    driver.ledger.close()
    again = Members(tmp_path)
    slow = again.ledger.begin_trial(99)
    assert slow == first[3]
    again.ledger.end_trial(3, Succeeded((-9.0,)))
    assert again.ledger.begin_trial(99) == begun
    again.ledger.close()


def toy(*, pbt: Json, seed: int, trials: int = 40) -> float:
    """The paper's second figure: two members that each see one half of the problem, and the best of what they find.

    The objective is 1.2 - (a² + b²); a trial is four steps up the slope of 1.2 - (h0 a² + h1 b²), whose weights h are
    its parameters. The point (a, b) is the checkpoint.
    """
    points: dict[int | None, Any] = {None: np.array([0.9, 0.9])}

    def train(proposal: Proposal) -> Outcome:
        slope = np.array([proposal.params["h0"], proposal.params["h1"]], dtype=float)
        point = points[proposal.parent]
        for _ in range(4):
            point = point - 0.04 * slope * point
        points[proposal.number] = point
        return Succeeded((1.2 - float(point @ point),))

    halves = [{"params": [{"name": "h0", "value": h}, {"name": "h1", "value": 1 - h}]} for h in (1, 0)]
    space = [{"name": name, "float": {"min": 0, "max": 1}} for name in ("h0", "h1")]
    settings = {"populationSize": 2, "resampleProbability": 0.25} | pbt
    found = Members(None, pbt=settings, seed=seed, parameters=space, goal="Maximize", initialConfigs=halves)
    return max(trial.value or 0.0 for trial in found.run(trials, train))


def test_exploiting_and_exploring_beat_the_same_trials_without() -> None:
    alone = toy(pbt={"quantileFraction": 0}, seed=1)
    together = [toy(pbt={}, seed=seed) for seed in range(2)]
    assert alone < 0.4, "each comes to the top of its own half, which is 1.2 - 0.81"
    assert min(together) > 0.6
