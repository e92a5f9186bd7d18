"""What the driver, the process that runs Tune, and the actors that run trials tell each other."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from afina_api.base import as_json
from afina_api.reasons import TrialReason
from afina_api.tuningjob import TuningJob
from afina_jobs.contract import Failed, Outcome, Pruned, Succeeded, text
from afina_jobs.objectives.base import Place

Message = dict[str, Any]

_REASONS = {str(reason): reason for reason in TrialReason}

MESSAGE = "message"
"""Key of what a trial has told in a result of Tune: JSON, because Tune takes mappings apart."""
PARCEL = "parcel"
"""Key of a packed checkpoint in a result, and of a reference to one in a trial's configuration; None for no news."""


def order(job: TuningJob, place: Place, address: str) -> Message:
    """The first message: what to run trials of, and where.

    Args:
        job: the job.
        place: where trials live; the folders for work and source have the same names on each node.
        address: host and port of the head of a Ray cluster; empty: Ray is started here.
    """
    return {
        "job": as_json(job),
        "workspace": str(place.workspace),
        "source": str(place.source) if place.source else None,
        "checkpoints": str(place.checkpoints),
        "address": address,
    }


def as_message(outcome: Outcome) -> Message:
    """How a trial ended, as JSON."""
    return {"kind": type(outcome).__name__, **asdict(outcome)}


def checkpoint_lost(error: Exception) -> Message:
    """The end of a trial that succeeded, and from which no other can go on."""
    return as_message(Failed(TrialReason.CHECKPOINT_LOST, text(f"its checkpoint cannot be kept: {error}")))


def as_outcome(message: Mapping[str, Any]) -> Outcome:
    """What `as_message` made of how a trial ended."""
    match message["kind"]:
        case "Succeeded":
            return Succeeded(tuple(message["values"]), message["metrics"])
        case "Failed":
            return Failed(_REASONS[message["reason"]], message["message"])
        case _:
            return Pruned(message["message"])
