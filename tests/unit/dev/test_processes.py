import json
import sys
from collections.abc import Iterator

import pytest

from devcluster import processes
from devcluster.console import DevClusterError
from devcluster.paths import Paths
from devcluster.processes import Component

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def started(paths: Paths) -> Iterator[Paths]:
    processes.ensure([Component("sleeper", SLEEPER)], paths)
    yield paths
    processes.stop_all(paths)


def pid(paths: Paths) -> int:
    record = processes.find("sleeper", paths)
    assert record is not None
    return record.pid


def test_what_runs_is_left_alone(started: Paths) -> None:
    before = pid(started)
    processes.ensure([Component("sleeper", SLEEPER)], started)
    assert pid(started) == before


def test_what_was_killed_is_started_again(started: Paths) -> None:
    before = pid(started)
    processes.kill(before, processes.start_ticks(before) or 0, grace_seconds=0)
    assert processes.find("sleeper", started) is None
    processes.ensure([Component("sleeper", SLEEPER)], started)
    assert pid(started) != before


def test_what_is_configured_anew_is_started_again(started: Paths) -> None:
    before, file = pid(started), started.config / "sleeper.conf"
    processes.ensure([Component("sleeper", SLEEPER, files={file: "soundly"})], started)
    assert pid(started) != before
    assert processes.start_ticks(before) is None
    assert file.read_text() == "soundly"


def test_what_is_not_healthy_is_started_again(started: Paths) -> None:
    sick = pid(started)
    component = Component("sleeper", SLEEPER, healthy=lambda: pid(started) != sick)
    processes.ensure([component], started, settle_seconds=0)
    assert pid(started) != sick


def test_a_recycled_pid_is_nobodys_and_is_not_killed(started: Paths) -> None:
    victim = pid(started)
    file = next(started.cluster.rglob("sleeper.json"))
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"started": record["started"] - 1}))
    assert processes.find("sleeper", started) is None
    processes.stop("sleeper", started)
    assert processes.start_ticks(victim) == record["started"]
    processes.kill(victim, record["started"], grace_seconds=0)


def test_a_program_that_ends_at_once_is_told_with_the_end_of_its_log(paths: Paths) -> None:
    component = Component("brief", (sys.executable, "-c", "raise SystemExit('port 53 is taken')"))
    component = Component(component.name, component.argv, healthy=lambda: False)
    with pytest.raises(DevClusterError, match=r"brief has ended.*\n.*port 53 is taken"):
        processes.ensure([component], paths)


def test_a_program_that_never_gets_healthy_is_told(paths: Paths) -> None:
    with pytest.raises(DevClusterError, match="sick is not healthy"):
        processes.ensure([Component("sick", SLEEPER, healthy=lambda: False)], paths, start_seconds=0)
    processes.stop_all(paths)
    assert processes.find("sick", paths) is None
