"""What the kernel is offered when memory runs out."""

import os
import signal
import subprocess
from pathlib import Path

from afina_jobs.process.memory import offer_to_oom_killer


def score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def test_a_process_is_offered_with_all_that_it_has_started() -> None:
    # Each tells its number when the next one runs.
    script = "sh -c 'sleep 1000 & echo $! $$; wait' & wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        numbers = [process.pid, *map(int, process.stdout.readline().split())]
        assert len(numbers) == 3
        offer_to_oom_killer(process.pid)
        found = [score(pid) for pid in numbers]
        for pid in numbers:
            os.kill(pid, signal.SIGKILL)
    assert found == [1000] * 3


def test_one_that_has_ended_is_none() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    offer_to_oom_killer(process.pid)
