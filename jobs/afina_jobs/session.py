"""One search from its spec to its verdict: the same in a pod and on a laptop."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from afina_api.reasons import Reason
from afina_api.tuningjob import TuningJob, TuningJobSpec
from afina_jobs.builtin.settings import BuiltinSettingsError
from afina_jobs.engine import Engine, Listener
from afina_jobs.objectives.base import Place, Slot
from afina_jobs.objectives.slots import make_slots
from afina_jobs.raytune.muscle import Muscle, RaySlot
from afina_jobs.search.constraints import ConstraintError
from afina_jobs.search.grid import grid_of
from afina_jobs.search.past import Past
from afina_jobs.search.space import SearchSpace
from afina_jobs.specfile.yamllines import field
from afina_jobs.stopping import Verdict
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.opening import SpecChangedError
from afina_jobs.study.storage import ForeignTablesError, StorageFullError, open_storage
from afina_jobs.study.thread import StudyThread


class CannotBeginError(Exception):
    """The search cannot begin; `verdict` says why."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.verdict = Verdict(reason, message)


async def open_ledger(job: TuningJob, storage_url: str, thread: StudyThread) -> Ledger:
    """Open the study of a job, or begin it.

    Raises:
        CannotBeginError: with the reason.
    """
    try:
        return await thread(lambda: Ledger(open_storage(storage_url), job, partial(_earlier, job), exclusive=True))
    except ModuleNotFoundError as error:
        message = f"spec.algorithm.name {job.spec.algorithm.name} needs the package {error.name}"
        raise CannotBeginError(
            Reason.INVALID_SPEC, f"{message}: run it in the image afina-runtime-torch, or pip install 'afina[torch]'"
        ) from error
    except SpecChangedError as error:
        message = f"the study that is there was begun with another {error}; remove it, or choose another place"
        raise CannotBeginError(Reason.INVALID_SPEC, message) from error
    except ArithmeticError as error:
        message = f"spec.parameters: a step is too small for its range: {error}"
        raise CannotBeginError(Reason.INVALID_SPEC, message) from error
    except ConstraintError as error:
        raise CannotBeginError(Reason.INVALID_SPEC, str(error)) from error
    except StorageFullError as error:
        raise CannotBeginError(Reason.STORAGE_FULL, str(error)) from error
    except ForeignTablesError as error:
        message = "spec.storage: the database holds tables of another program (MLflow?) or of another Optuna"
        raise CannotBeginError(Reason.INVALID_SPEC, f"{message}: give the studies a database of their own") from error


def _earlier(job: TuningJob) -> list[Past]:
    """The searches to learn from.

    Raises:
        CannotBeginError: one of them is not there.
    """
    if not job.spec.warm_start_from:
        return []
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        message = "spec.warmStartFrom: earlier searches are kept by MLflow: set MLFLOW_TRACKING_URI, or remove it"
        raise CannotBeginError(Reason.INVALID_SPEC, message)
    from afina_jobs.tracking.earlier import NoEarlierSearchError, earlier_searches  # takes seconds to import

    try:
        return earlier_searches(job)
    except NoEarlierSearchError as error:
        raise CannotBeginError(Reason.INVALID_SPEC, str(error)) from error


def make_engine(
    job: TuningJob,
    live: Callable[[], TuningJobSpec],
    ledger: Ledger,
    thread: StudyThread,
    env: Mapping[str, str],
    place: Place,
    listeners: Sequence[Listener],
    ray_address: str = "",
) -> Engine:
    """The engine of a job whose study is open.

    Args:
        job: the job.
        live: its spec, of which the budget may change and the ranges may grow.
        ledger: its study.
        thread: the study's.
        env: the environment of every trial.
        place: where the search lives.
        listeners: who is told how the search stands.
        ray_address: host and port of the head of a Ray cluster; empty: where the job wants Ray, it is started here.

    Raises:
        CannotBeginError: with the reason.
    """
    try:
        slots: Sequence[Slot] = make_slots(job.spec, env, place)
    except BuiltinSettingsError as error:
        raise CannotBeginError(Reason.INVALID_OBJECTIVE, f"{field(error.path)}: {error}") from error
    if job.spec.execution.uses_ray(job.spec.trial.resources):
        muscle = Muscle(job, env, place, ray_address)
        slots = [RaySlot(muscle) for _ in slots]
    return Engine(ledger, thread, slots, place, job.spec.objectives, live, ledger.combinations, listeners)


def combinations(spec: TuningJobSpec) -> float:
    """How many sets of parameters there are to try; infinite for all algorithms but Grid."""
    if spec.algorithm.name != "Grid":
        return math.inf
    return grid_of(spec.parameters, SearchSpace(spec.parameters, spec.constraints), 0).size
