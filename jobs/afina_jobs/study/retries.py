"""Why trials are run again, and how often: what is nobody's fault, or for want of room. A bug is no reason."""

from collections.abc import Mapping
from typing import Any

from afina_api.reasons import RetryReason, TrialReason
from afina_jobs.contract import Failed, Lost

ATTEMPTS = "afina:attempts"
RETRIES = "afina:retries"

MAX_DEATHS = 2
"""So often a trial that ran when the driver died is run again."""
MAX_LOSSES = 2
"""So often a trial is run again that was lost with its worker."""


def why_again(ending: Failed | Lost, attrs: Mapping[str, Any], *, had_company: bool) -> RetryReason | None:
    """Why a trial that ended so is run again; None where it is not.

    Args:
        ending: how it ended.
        attrs: what is kept of it.
        had_company: whether others ran beside it, so that it would have more memory alone.
    """
    known = attrs.get(RETRIES, {})
    if isinstance(ending, Lost):
        bounded = ending.why == RetryReason.WORKER_LOST
        return None if bounded and known.get(ending.why, 0) >= MAX_LOSSES else ending.why
    lacked = ending.reason == TrialReason.OUT_OF_MEMORY and had_company
    return RetryReason.OUT_OF_MEMORY if lacked and RetryReason.OUT_OF_MEMORY not in known else None


def given_up(lost: Lost) -> Failed:
    """The failure of a trial that was lost too often."""
    return Failed(TrialReason.INTERRUPTED, f"it was lost {1 + MAX_LOSSES} times: {lost.why.meaning}")


def retries_of(attrs: Mapping[str, Any]) -> dict[str, int]:
    """How often a trial was run again, by the reason."""
    deaths = attrs.get(ATTEMPTS, 0) - 1
    return dict(attrs.get(RETRIES, {})) | ({str(RetryReason.DRIVER_LOST): deaths} if deaths > 0 else {})


def in_words(retries: Mapping[str, int]) -> str:
    """`OutOfMemory, DriverLost x2`; empty for none."""
    return ", ".join(why if count == 1 else f"{why} x{count}" for why, count in retries.items())
