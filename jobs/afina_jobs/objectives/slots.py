"""Makes the slots of a job from its spec."""

from collections.abc import Mapping

from afina_api.tuningjob import TuningJobSpec
from afina_jobs.builtin.settings import check
from afina_jobs.objectives.base import LocalSlot, Place, Surroundings
from afina_jobs.objectives.command import CommandSlot
from afina_jobs.objectives.python import PythonSlot
from afina_jobs.process.environment import threads


def make_slots(spec: TuningJobSpec, env: Mapping[str, str], place: Place) -> list[LocalSlot]:
    """One slot for each trial that may run at a time.

    Args:
        spec: the job's.
        env: the environment of every trial.
        place: where they run.

    Raises:
        BuiltinSettingsError: a built-in objective cannot do what the spec asks.
    """
    return [_slot(spec, _around(spec, env, place, index)) for index in range(spec.budget.parallel_trials)]


def _around(spec: TuningJobSpec, env: Mapping[str, str], place: Place, index: int) -> Surroundings:
    return Surroundings(
        [objective.metric for objective in spec.objectives],
        env,
        place.workspace / f"slot-{index}",
        place.source,
        spec.trial.timeout_seconds,
        checkpoints=place.checkpoints,
    )


def _slot(spec: TuningJobSpec, around: Surroundings) -> LocalSlot:
    if spec.trial.python:
        return PythonSlot(spec.trial.python.entrypoint, None, around)
    if spec.trial.command:
        return CommandSlot(spec.trial.command.argv, around)
    settings = check(spec)
    arguments = {**settings.model_dump(), "threads": threads(spec.trial.resources.cpu)}
    return PythonSlot("afina_jobs.builtin.xgboost_cv:objective", arguments, around)
