"""Names the way in which a process ended badly."""

import signal

from afina_api.reasons import TrialReason
from afina_jobs.contract import Failed, text
from afina_jobs.process.memory import oom_kills

_SHELL_SIGNAL = 128


class OomWatch:
    """Tells whether the kernel has killed a process of this pod for memory since the watch began."""

    def __init__(self) -> None:
        self._before = oom_kills()

    def saw_kill(self) -> bool:
        """Whether it has."""
        return oom_kills() > self._before


def failure(code: int, last_line: str, *, out_of_memory: bool, memory_field: str) -> Failed:
    """What an exit code other than 0 means; a negative one is a signal, and so is a shell's of 128 and more."""
    number = -code if code < 0 else code - _SHELL_SIGNAL
    if number == signal.SIGKILL and out_of_memory:
        message = f"the kernel killed it for memory: raise {memory_field}, or let it use less"
        return Failed(TrialReason.OUT_OF_MEMORY, text(_with_line(message, last_line)))
    hint = "; the kernel has killed a process of this pod for memory" if out_of_memory else ""
    if code < 0:
        return Failed(TrialReason.KILLED, text(_with_line(f"ended by {_signal_name(number)}{hint}", last_line)))
    return Failed(TrialReason.EXIT_CODE, text(_with_line(f"exit code {code}{hint}", last_line)))


def timeout(seconds: int, field: str, last_line: str) -> Failed:
    """The failure of a trial that took too long."""
    return Failed(TrialReason.TIMEOUT, text(_with_line(f"stopped after {seconds} s ({field})", last_line)))


def _with_line(message: str, last_line: str) -> str:
    return f"{message}; last line: {last_line}" if last_line else message


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
