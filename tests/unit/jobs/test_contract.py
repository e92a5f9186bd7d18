import asyncio
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afina_api.reasons import Reason, TrialReason
from afina_api.termination import termination_message
from afina_api.trial import Trial
from afina_jobs.contract import (
    Report,
    Succeeded,
    arguments,
    judge,
    metrics_in,
    parameter_environment,
    report_in,
    text,
)
from afina_jobs.objectives.ending import failure
from afina_jobs.process.environment import threads, trial_environment
from afina_jobs.process.lines import MAX_LINE, LinePump
from afina_jobs.process.memory import oom_kills

LINES = {
    '{"rmse": 1}': {"rmse": 1},
    ' {"rmse": "low", "note": "x"}': {"rmse": "low", "note": "x"},
    '{"step": 2, "rmse": 1.5}': {"step": 2, "rmse": 1.5},
    '{"mae": 1, "r2": 2}': {"mae": 1, "r2": 2},
    '{"level": "info", "loss": 3}': None,
    "{}": None,
    "{rmse: 1}": None,
    "[1]": None,
    "rmse: 1": None,
    '{"rmse":' + "[" * 5000: None,
}


@pytest.mark.parametrize(("line", "expected"), LINES.items())
def test_tells_metrics_from_log(line: str, expected: Mapping[str, object] | None) -> None:
    assert metrics_in(line, ["rmse"]) == expected


@given(st.text())
def test_takes_any_line(line: str) -> None:
    metrics_in("{" + line, ["rmse"])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ({"step": 3, "rmse": 1}, Report(3, (1.0,))),
        ({"step": 3, "rmse": math.inf}, Report(3, (math.inf,))),
        ({"step": 3}, None),
        ({"step": -1, "rmse": 1}, None),
        ({"step": 1.5, "rmse": 1}, None),
        ({"step": True, "rmse": 1}, None),
        ({"step": 2**31, "rmse": 1}, None),
        ({"step": 1, "rmse": "x"}, None),
    ],
)
def test_takes_reports_of_whole_steps(line: Mapping[str, object], expected: Report | None) -> None:
    assert report_in(line, ["rmse"]) == expected


def test_keeps_other_metrics_that_are_finite_and_have_a_name() -> None:
    found = judge({"rmse": 1, "mae": 2, "nan": math.nan, "a b": 3, "note": "x", "huge": 10**400}, ["rmse"])
    assert found == Succeeded((1.0,), {"rmse": 1.0, "mae": 2.0})


def test_keeps_a_bounded_number_of_metrics() -> None:
    found = judge({f"m{index}": index for index in range(500)} | {"rmse": 1}, ["rmse"])
    assert isinstance(found, Succeeded)
    assert len(found.metrics) == 101
    assert found.metrics["rmse"] == 1


def test_replaces_placeholders_and_nothing_else() -> None:
    argv = ["--lr=$(params.lr)", "$(params.a.b-c)$(params.lr)", "$(other)", "$lr"]
    assert arguments(argv, {"lr": 1e-05, "a.b-c": "$(params.lr)"}) == [
        "--lr=1e-05",
        "$(params.lr)1e-05",
        "$(other)",
        "$lr",
    ]


def test_names_variables_in_capitals() -> None:
    assert parameter_environment({"max.depth-2": 3}) == {"AFINA_PARAM_MAX_DEPTH_2": "3"}


@given(st.text(min_size=2000))
def test_text_of_a_status_is_short_and_printable(message: str) -> None:
    assert len(text(message)) <= 1024
    assert text(message).isprintable()


@pytest.mark.parametrize("character", ["a", '"', "\\", "ß", "語", "🜁", "\x00"])
def test_last_words_fit(character: str) -> None:
    message = termination_message(Reason.STORAGE_FULL, character * 5000)
    assert len(message.encode()) <= 4096
    assert json.loads(message)["reason"] == "StorageFull"


@pytest.mark.parametrize(
    ("code", "out_of_memory", "reason", "words"),
    [
        (3, False, TrialReason.EXIT_CODE, "exit code 3"),
        (0, False, TrialReason.EXIT_CODE, "exit code 0"),
        (1, True, TrialReason.EXIT_CODE, "exit code 1; the kernel has killed a process of this pod for memory"),
        (137, True, TrialReason.OUT_OF_MEMORY, "raise trial.resources.memory"),
        (137, False, TrialReason.EXIT_CODE, "exit code 137"),
        (-9, True, TrialReason.OUT_OF_MEMORY, "raise trial.resources.memory"),
        (-9, False, TrialReason.KILLED, "SIGKILL"),
        (-11, False, TrialReason.KILLED, "SIGSEGV"),
        (-64, False, TrialReason.KILLED, "SIGRTMAX"),
        (-65, False, TrialReason.KILLED, "signal 65"),
    ],
)
def test_names_the_way_a_process_ended(code: int, out_of_memory: bool, reason: TrialReason, words: str) -> None:
    found = failure(code, "the end", out_of_memory=out_of_memory, memory_field="trial.resources.memory")
    assert found.reason == reason
    assert words in found.message
    assert found.message.endswith("; last line: the end")


@pytest.mark.parametrize(("cpu", "expected"), [("500m", 1), ("1", 1), ("1001m", 2), ("2.5", 3), ("0", 1), ("4000m", 4)])
def test_gives_as_many_threads_as_processors(cpu: str, expected: int) -> None:
    assert threads(cpu) == expected


def test_environment_of_the_spec_wins() -> None:
    env = [{"name": "OMP_NUM_THREADS", "value": "7"}, {"name": "PATH", "value": "/x"}]
    trial = Trial.model_validate({"command": {"argv": ["x"]}, "env": env})
    inherited = {"PATH": "/bin", "AFINA_STORAGE_URL": "secret", "KUBERNETES_PORT": "1", "HOME": "/home"}
    found = trial_environment(trial, inherited)
    assert found["OMP_NUM_THREADS"] == "7"
    assert found["MKL_NUM_THREADS"] == "1"
    assert found["PATH"] == "/x"
    assert {name for name in found if name.startswith(("AFINA_", "KUBERNETES_"))} == set()


CGROUPS = {
    "version 1": ("4:memory:/pod/a\n0::/", {"memory/pod/a/memory.oom_control": "oom_kill_disable 0\noom_kill 3\n"}, 3),
    "version 1 in a container": ("4:memory:/pod/a", {"memory/memory.oom_control": "under_oom 0\noom_kill 2\n"}, 2),
    "version 2": ("0::/pod/a", {"pod/a/memory.events": "oom 5\noom_kill 4\noom_group_kill 1\n"}, 4),
    "version 2 in a container": ("0::/", {"memory.events": "oom 5\noom_kill 4\n"}, 4),
    "none": ("0::/", {}, 0),
}


@pytest.mark.parametrize(("own", "files", "expected"), CGROUPS.values(), ids=CGROUPS)
def test_reads_the_kernels_count(own: str, files: Mapping[str, str], expected: int, tmp_path: Path) -> None:
    (tmp_path / "own").write_text(own)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert oom_kills(tmp_path, tmp_path / "own") == expected


def test_counts_nothing_where_there_are_no_cgroups(tmp_path: Path) -> None:
    assert oom_kills(tmp_path, tmp_path / "none") == 0


async def lines_of(*chunks: bytes) -> list[str]:
    """What a pump makes of what is written."""
    found: list[str] = []
    reading, writing = os.pipe()
    pump = LinePump(reading, found.append)
    for chunk in chunks:
        while chunk:
            written = os.write(writing, chunk[:60_000])
            chunk = chunk[written:]
            await asyncio.sleep(0)
            pump.drain()
    os.close(writing)
    pump.close()
    return found


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a", b"b\nc"], ["ab", "c"]),
        ([b"a\r\nb\r\n"], ["a", "b"]),
        ([b"a\r", b"\nb"], ["a", "b"]),
        ([b"10 %\r50 %\r100 %\n"], ["100 %"]),
        ([b"10 %\r", b"50 %\r", b"done\n"], ["done"]),
        ([b"\n\n"], []),
        ([b"\xff\n"], ["�"]),
        ([b"x" * 1_000_000, b"\nend\n"], ["x" * MAX_LINE, "end"]),
        ([b"\r".join(b"%d" % number for number in range(200_000)) + b"\n"], ["199999"]),
    ],
    ids=range(10),
)
async def test_pump_reads_lines_whatever_comes(chunks: list[bytes], expected: list[str]) -> None:
    assert await lines_of(*chunks) == expected


async def test_pump_makes_the_writer_wait_while_it_is_paused() -> None:
    found: list[str] = []
    reading, writing = os.pipe()
    pump = LinePump(reading, found.append)
    pump.pause()
    os.write(writing, b"a\n")
    await asyncio.sleep(0.05)
    assert found == []
    pump.resume()
    await asyncio.sleep(0.05)
    assert found == ["a"]
    os.close(writing)
    pump.close()
