"""The trials of a TuningJob in a cluster that its status keeps, and what its spec says of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from afina_api.objective import Objective
from afina_api.parameters import Parameter
from afina_jobs.results.record import Record
from afina_jobs.search.space import Distribution, distribution

Json = dict[str, Any]


def from_status(job: Json, why: str) -> Record:
    """The best trials, which are all that the status keeps.

    Args:
        job: the TuningJob.
        why: why others are not known.
    """
    space, objectives = space_of(job), objectives_of(job)
    trials = [
        trial_of(
            one["number"],
            TrialState.COMPLETE,
            [one["values"][objective.metric] for objective in objectives],
            {param["name"]: param["value"] for param in one["params"]},
            space,
        )
        for one in job.get("status", {}).get("best") or ()
    ]
    return record_of(job, sorted(trials, key=lambda trial: trial.number), why)


def trial_of(
    number: int,
    state: TrialState,
    values: Sequence[float] | None,
    params: Json,
    space: Mapping[str, Distribution],
    attrs: Json | None = None,
    times: tuple[datetime | None, datetime | None] = (None, None),
) -> FrozenTrial:
    """A trial of which so much is known; its times are its start and its end."""
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=state,
        value=None,
        values=values,
        params=params,
        distributions={name: space[name] for name in params},
        user_attrs=attrs or {},
        system_attrs={},
        intermediate_values={},
        datetime_start=times[0],
        datetime_complete=times[1],
    )


def objectives_of(job: Json) -> list[Objective]:
    """What the search is for."""
    return [Objective.model_validate(objective) for objective in job["spec"]["objectives"]]


def space_of(job: Json) -> dict[str, Distribution]:
    """What the parameters may be, by name."""
    parameters = [Parameter.model_validate(parameter) for parameter in job["spec"]["parameters"]]
    return {parameter.name: distribution(parameter) for parameter in parameters}


def record_of(job: Json, trials: Sequence[FrozenTrial], why: str = "") -> Record:
    """What is known of the search; `why` says why the status counts more trials than these."""
    metadata, total = job["metadata"], job.get("status", {}).get("trials", {}).get("total", 0)
    missing = f"{len(trials)} of {total} trials are known here" if len(trials) < total else ""
    return Record(
        f"{metadata['namespace']}/{metadata['name']}",
        objectives_of(job),
        trials,
        f"{missing}: {why or 'the others have not ended, or MLflow has not got them yet'}" if missing else "",
    )
