"""What a laptop's user sees of Datasets and AutoMLJobs: a line that moves, and the results."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

from afina_api.automljob import AutoMLJob, AutoMLJobSpec
from afina_jobs.automl.choosing import Standing
from afina_jobs.automl.learn import Progress
from afina_jobs.automl.run import Ending
from afina_jobs.automl.status import status
from afina_jobs.dataset.build import Outcome


class LearningDisplay:
    """Shows how a job stands: time, models, the best."""

    def __init__(self, console: Console, spec: AutoMLJobSpec) -> None:
        of = TextColumn(f"of {spec.budget.seconds} s of search")
        self._bar = Bar(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), of, console=console)
        self._task = self._bar.add_task("starting", total=None)
        self._best = ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def progressed(self, progress: Progress) -> None:
        """Change the line, and print what is better than all before."""
        found = status(progress)["summary"]
        models, best = found["models"], found["best"]
        counted = f"{models} models" if models else "finishing"
        self._bar.update(self._task, description=", ".join(filter(None, (counted, best))))
        if best != self._best and progress.standings:
            self._best = best
            self.say(f"best so far, {counted}: {best}")

    def say(self, line: str) -> None:
        """Print a line above it."""
        self._bar.console.print(line, markup=False)


def dataset_summary(found: Outcome, folder: Path) -> str:
    """What came of a Dataset, and where it is."""
    known = found.status
    lines = ["", f"{found.reason}: {found.message}"]
    if known.rows is not None and not found.succeeded:
        lines.append(f"{known.rows:,} rows, {known.columns:,} columns")
    lines += [f"  rejected {rejected.count:,}: {rejected.reason}" for rejected in known.rejected or ()]
    lines += [f"  {finding.severity}: {finding.rule}: {finding.message}" for finding in known.findings or ()]
    if known.digest:
        lines.append(f"Digest: {known.digest}")
    rejected = [("Rejected", folder / "rejected.csv")] if known.rejected else []
    results = [("Report", folder / "report.html"), *rejected, ("Log", folder / "log.txt")]
    return "\n".join([*lines, *_existing(results), ""])


def job_opening(job: AutoMLJob) -> str:
    """What is about to happen."""
    spec = job.spec
    models = f" and {spec.budget.max_models} models" if spec.budget.max_models else ""
    lines = [f"AutoMLJob {job.metadata.name}: predict {spec.target}, up to {spec.budget.seconds} s{models}"]
    ignored = {"suspend": spec.suspend, "image": spec.image}
    lines += [f"spec.{name} is for a cluster and changes nothing here" for name, given in ignored.items() if given]
    return "\n".join(lines)


def job_summary(found: Ending, folder: Path) -> str:
    """What came of a job, where it is, and what can be done about a failure."""
    progress = found.progress
    lines = ["", f"{found.reason}: {found.message}", *_leaderboard(progress)]
    if progress.scores:
        lines += ["", "On the holdout:", *(f"  {name}: {value:.6g}" for name, value in progress.scores.items())]
    if progress.model:
        lines += ["", f"Registered: {progress.model.name} version {progress.model.version}"]
    if found.succeeded:
        results = [("Report", folder / "report.html"), ("Model", folder / "model"), ("Log", folder / "log.txt")]
        return "\n".join([*lines, "", *_existing(results), ""])
    return "\n".join([*lines, "", f"Next: see {folder / 'log.txt'}, correct the file, and run the same command again."])


def _leaderboard(progress: Progress) -> Iterator[str]:
    if not progress.leaderboard:
        return
    yield ""
    yield f"  {'model':<16}{progress.metric:>12}{'fit s':>9}{'p95 ms':>9}{'KiB':>9}"
    for line in progress.leaderboard:
        mark = "*" if line.name == progress.chosen else " "
        yield f"{mark} {line.name:<16}{_numbers(line)}  {line.message}".rstrip()


def _numbers(line: Standing) -> str:
    size = line.size_bytes and line.size_bytes / 1024
    values = (
        (line.score, 12, ".6g"),
        (line.fit_seconds, 9, ".2f"),
        (line.p95_milliseconds, 9, ".2f"),
        (size, 9, ".0f"),
    )
    return "".join(f"{'' if value is None else format(value, how):>{width}}" for value, width, how in values)


def _existing(results: list[tuple[str, Path]]) -> Iterator[str]:
    return (f"{title}: {path}" for title, path in results if path.exists())
