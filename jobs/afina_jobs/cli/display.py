"""What a laptop's user sees: a bar with the best value, a line for each trial, and the results."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from optuna.trial import FrozenTrial
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from afina_api.tuningjob import TuningJob, TuningJobSpec
from afina_jobs.progress import headline
from afina_jobs.session import combinations
from afina_jobs.stopping import Verdict
from afina_jobs.study.forecast import forecast
from afina_jobs.study.standing import best, count, ended


class Display:
    """Shows how the search stands."""

    def __init__(self, console: Console, spec: TuningJobSpec) -> None:
        self._spec = spec
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
        )
        total = min(spec.budget.max_trials, combinations(spec))
        self._task = self._progress.add_task("starting", total=total)
        self.trials: Sequence[FrozenTrial] = ()
        """The trials as they were last seen."""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def trials_changed(self, trials: Sequence[FrozenTrial]) -> None:
        """Move the bar."""
        self.trials = trials
        counts, leader = count(trials), headline(trials, self._spec.objectives)
        description = ", ".join(filter(None, [leader, f"{counts.running} running"]))
        self._progress.update(self._task, description=description, completed=ended(counts))

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(line, markup=False)


def opening(job: TuningJob, seed: int, trials: Sequence[FrozenTrial]) -> str:
    """What is about to happen."""
    spec = job.spec
    parts = [f"{spec.algorithm.name} with seed {seed}", f"up to {spec.budget.max_trials} trials"]
    if spec.budget.parallel_trials > 1:
        parts.append(f"{spec.budget.parallel_trials} at a time")
    if trials:
        parts.append(f"{ended(count(trials))} are there already")
    lines = [f"{job.metadata.name}: {', '.join(parts)}"]
    ignored = {"suspend": spec.suspend, "storage": spec.storage.database_secret_ref, "trial.image": spec.trial.image}
    lines += [f"spec.{name} is for a cluster and changes nothing here" for name, given in ignored.items() if given]
    return "\n".join(lines)


def summary(verdict: Verdict, trials: Sequence[FrozenTrial], spec: TuningJobSpec, folder: Path) -> str:
    """What came of it, where it is, and what can be done next."""
    lines = ["", f"{verdict.reason}: {verdict.message}"]
    for leader in best(trials, spec.objectives):
        lines += ["", headline(trials, spec.objectives)]
        lines += [f"  {name}: {value}" for name, value in leader.params.items()]
    alone = len(spec.objectives) == 1
    more = forecast(trials, spec.objectives[0], spec.budget, combinations(spec)) if alone else None
    if more:
        likely = f"between {more.optimistic:.6g} and {more.pessimistic:.6g}"
        lines += ["", f"{more.trials} more trials would likely end with a best {spec.objectives[0].metric} {likely}."]
    lines += ["", *(f"{title}: {path}" for title, path in _results(folder) if path.exists()), ""]
    if verdict.succeeded:
        lines.append(
            "Next: raise budget.maxTrials and run the same command to go on, or `kubectl apply -f` the same file."
        )
    else:
        lines.append(f"Next: see {folder / 'log.txt'}, correct the file, and run the same command again.")
    return "\n".join(lines)


def _results(folder: Path) -> list[tuple[str, Path]]:
    return [
        ("Plots", folder / "plots.html"),
        ("Trials", folder / "trials.csv"),
        ("Log", folder / "log.txt"),
    ]
