"""One AutoMLJob from its Dataset's volume to its product: the same in a pod, on a laptop and when it is repeated."""

import asyncio
import json
import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from afina_api.automljob import AutoMLJob, RegisteredModel
from afina_api.base import Tracking
from afina_api.execution import TrialResources
from afina_api.reasons import AutoMLReason
from afina_api.trial import PythonObjective, Trial
from afina_jobs.automl import checkpoint, manifest, report
from afina_jobs.automl.candidates import Candidate, candidates
from afina_jobs.automl.checkpoint import Checkpoint
from afina_jobs.automl.choosing import Chosen, Standing, choose, export_all, judged, without
from afina_jobs.automl.data import Data, settle_data
from afina_jobs.automl.fitting import fit_members
from afina_jobs.automl.importance import permutation_importance, tree_shap
from afina_jobs.automl.leakage.findings import Finding
from afina_jobs.automl.models.base import Family
from afina_jobs.automl.models.catalogue import FAMILIES, missing_package
from afina_jobs.automl.problem import CannotLearnError, Table
from afina_jobs.automl.quantization import Quantized, quantized
from afina_jobs.automl.search import ENTRYPOINT, Limits, Search, failure_of, make_slot, open_ledgers, trial_timeout
from afina_jobs.automl.standing import Standing as FamilyStanding
from afina_jobs.automl.trial import FAMILY
from afina_jobs.automl.validation import finite, holdout_scores, scientific
from afina_jobs.contract import Proposal, Report
from afina_jobs.objectives.base import LocalSlot
from afina_jobs.process.environment import trial_environment
from afina_jobs.process.limits import processors
from afina_jobs.study.ledger import Ledger
from afina_jobs.study.opening import SpecChangedError
from afina_jobs.study.storage import StorageFullError, open_storage, sqlite_url
from afina_jobs.study.thread import StudyThread

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a job lives."""

    dataset: Path
    """The volume of the Dataset."""
    study: Path
    """Folder that outlives the process."""
    workspace: Path
    """Folder for the workers' working directories."""


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    standings: Sequence[FamilyStanding] = ()
    metric: str = ""
    leaderboard: Sequence[Standing] = ()
    chosen: str = ""
    """Name of the chosen model."""
    scores: Mapping[str, float] = field(default_factory=dict)
    quantized: Quantized | None = None
    model: RegisteredModel | None = None
    tracking: Tracking | None = None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Repeat:
    """A manifest to follow: no search, the same models, the same choice."""

    models: Sequence[Mapping[str, Any]]
    chosen: str
    threads: int
    """Of each fit: with more or fewer, sums of floats may come out differently."""
    quantized: bool = False
    """Whether the model of 8 bits was promoted."""


@dataclass(frozen=True)
class _Found:
    """What the models have come to."""

    data: Data
    table: Table
    findings: tuple[Finding, ...]
    checkpoints: Sequence[Checkpoint]
    failures: Mapping[str, str]
    """Why families have no model."""


async def learn(job: AutoMLJob, place: Place, on_progress: OnProgress, repeat: Repeat | None = None) -> Progress:
    """Learn, choose, export, report and register.

    When cancelled, what has been judged is kept for the next call.

    Raises:
        CannotLearnError: it came to nothing.
    """
    if job.spec.register_as and not os.environ.get("MLFLOW_TRACKING_URI"):
        raise CannotLearnError(
            AutoMLReason.INVALID_SPEC, "registerAs needs MLflow: set MLFLOW_TRACKING_URI, or drop it"
        )
    threads = repeat.threads if repeat else processors(job.spec.resources.cpu)
    settled = place.study / "checkpoints"
    data, table, findings = await asyncio.to_thread(settle_data, job.spec, place.dataset, settled, threads)
    slots = _slots(job, data, place, settled)
    try:
        failures = await (_repeat(slots, repeat) if repeat else _search(job, data, place, slots, on_progress))
        found = _Found(data, table, findings, checkpoint.load_all(settled), failures)
        if not found.checkpoints:
            why = "; ".join(f"{name}: {text}" for name, text in failures.items())
            raise CannotLearnError(AutoMLReason.NO_MODEL_SUCCEEDED, f"no model could be fitted: {why}")
        return await _finish(job, found, place, slots, on_progress, repeat)
    except StorageFullError as error:
        raise CannotLearnError(AutoMLReason.STORAGE_FULL, f"{error}: choose a larger spec.volume.size") from error
    finally:
        await asyncio.gather(*(slot.close() for slot in slots))


def _slots(job: AutoMLJob, data: Data, place: Place, settled: Path) -> list[LocalSlot]:
    trial = Trial(
        python=PythonObjective(entrypoint=ENTRYPOINT), env=[], resources=TrialResources(cpu=job.spec.resources.cpu)
    )
    env, metric = trial_environment(trial), data.settled.problem.metric
    timeout = trial_timeout(_limits(job).seconds)
    folders = [place.workspace / f"slot-{index}" for index in range(job.spec.parallel_trials)]
    return [make_slot(metric, env, folder, settled.resolve(), timeout) for folder in folders]


def _limits(job: AutoMLJob) -> Limits:
    budget = job.spec.budget
    return Limits(budget.seconds, budget.max_models or float("inf"))


async def _search(
    job: AutoMLJob, data: Data, place: Place, slots: Sequence[LocalSlot], on_progress: OnProgress
) -> dict[str, str]:
    """Search; why families have no model."""
    metric = data.settled.problem.metric
    able, unable = _families(job)
    thread = StudyThread()
    try:
        storage = await thread(open_storage, sqlite_url(place.study))
        ledgers = await thread(open_ledgers, job, metric, able, storage)
    except SpecChangedError as error:
        message = f"the studies that are there were begun with another {error}: choose another place to start over"
        raise CannotLearnError(AutoMLReason.INVALID_SPEC, message) from error
    search = Search(ledgers, thread, slots, metric, _limits(job), lambda known: on_progress(Progress(known, metric)))
    await search.run()
    standings = await search.standings()
    failed = {
        standing.family: await thread(_why, ledgers[standing.family])
        for standing in standings
        if standing.best_loss is None
    }
    await thread(next(iter(ledgers.values())).close)
    return unable | failed


def _why(ledger: Ledger) -> str:
    return failure_of(ledger) or "the budget was spent before it was its turn"


def _families(job: AutoMLJob) -> tuple[list[Family], dict[str, str]]:
    """Those that can run, and why others cannot.

    Raises:
        CannotLearnError: none can.
    """
    wanted = [family for family in FAMILIES.values() if not job.spec.models or family.name in job.spec.models]
    unable = {
        family.name: f"it needs the package {package}: run it in the image afina-runtime-torch"
        for family in wanted
        if (package := missing_package(family))
    }
    able = [family for family in wanted if family.name not in unable]
    if not able:
        why = "; ".join(f"{name}: {text}" for name, text in unable.items())
        raise CannotLearnError(AutoMLReason.NO_MODEL_SUCCEEDED, why)
    return able, unable


async def _repeat(slots: Sequence[LocalSlot], repeat: Repeat) -> dict[str, str]:
    """Judge the models of a manifest again, one after the other."""
    for known in repeat.models:
        await slots[0].evaluate(Proposal(known["number"], {**known["params"], FAMILY: known["family"]}), _ignore)
    return {}


async def _ignore(_report: Report) -> bool:
    return False


async def _finish(
    job: AutoMLJob,
    found: _Found,
    place: Place,
    slots: Sequence[LocalSlot],
    on_progress: OnProgress,
    repeat: Repeat | None,
) -> Progress:
    """From judged models to the product."""
    data, ensemble = found.data, job.spec.ensemble
    log.info("the search is over: choosing from %d models", len(found.checkpoints))
    known = await asyncio.to_thread(candidates, data, found.checkpoints, ensemble)
    fitted, exports = place.study / "fitted", place.study / "exports"
    fitted.mkdir(parents=True, exist_ok=True)
    exports.mkdir(parents=True, exist_ok=True)
    log.info("fitting the members of %d candidates to all of the development part", len(known))
    broken = await fit_members(slots, known, found.checkpoints, fitted)
    usable = without(known, broken)
    if not usable:
        raise CannotLearnError(AutoMLReason.NO_MODEL_SUCCEEDED, f"no model could be fitted for good: {broken}")
    log.info("exporting %d candidates and measuring them", len(usable))
    try:
        lines = judged(await asyncio.to_thread(export_all, data, usable, fitted, exports), job.spec.constraints)
    except subprocess.CalledProcessError as error:
        message = f"an exported model cannot be loaded: {(error.stderr or str(error))[-500:]}"
        raise CannotLearnError(AutoMLReason.PARITY_BROKEN, message) from error
    best = choose(usable, lines, ensemble, exports, repeat.chosen if repeat else None)
    small = None
    if job.spec.quantization == "Int8":
        log.info("comparing %s with itself in 8 bits", best.candidate.recipe.name)
        promoted = repeat.quantized if repeat else None
        best, small = await asyncio.to_thread(quantized, data, best, exports / "Int8", promoted)
        log.info("%s", small.message)
    chosen = _kept(best, place.study / "model")
    lost = {candidate.recipe.name: _lost(candidate, broken) for candidate in known if candidate not in usable}
    leaderboard = [*lines, *(Standing(name, message=text) for name, text in {**found.failures, **lost}.items())]
    progress = Progress(
        metric=data.settled.problem.metric,
        leaderboard=leaderboard,
        chosen=chosen.candidate.recipe.name,
        quantized=small,
    )
    on_progress(progress)
    return await asyncio.to_thread(_publish, job, found, chosen, progress, place.study, tracked=repeat is None)


def _lost(candidate: Candidate, broken: Mapping[str, str]) -> str:
    return next(why for name, why in broken.items() if name in candidate.recipe.members)


def _kept(chosen: Chosen, folder: Path) -> Chosen:
    """The chosen model in the job's own place."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(chosen.folder, folder)
    return replace(chosen, folder=folder)


def _publish(
    job: AutoMLJob, found: _Found, chosen: Chosen, progress: Progress, folder: Path, *, tracked: bool
) -> Progress:
    """Score the chosen model on the holdout, write the report and the manifest, and register."""
    log.info("%s is chosen: scoring it on the holdout", progress.chosen)
    data = found.data
    rows = data.splits.holdout
    said = chosen.predictor.predict(data.columns(rows))
    scores = finite(holdout_scores(data, said, chosen.predictor.threshold))
    files = _write_report(job, found, chosen, progress, scores, said.values, folder)
    promoted = progress.quantized is not None and progress.quantized.promoted
    about = manifest.manifest(job, data, found.checkpoints, chosen, scores, quantized=promoted)
    manifest_file = folder / "manifest.json"
    _write_json(about, manifest_file)
    progress = replace(progress, scores=scores)
    if not tracked or not os.environ.get("MLFLOW_TRACKING_URI"):
        return progress
    from afina_jobs.automl.registry import Product, Registry  # takes seconds to import

    log.info("writing to MLflow")
    product = Product(data, found.table, chosen, scores, said.values, progress.quantized)
    try:
        registry = Registry(job)
        _write_json(manifest.tracked(about, registry.tracking), manifest_file)
        registry.log(product, [*files, manifest_file])
        model = registry.register(job.spec.register_as, product) if job.spec.register_as else None
    except Exception as error:  # whatever MLflow and its stack may raise
        message = f"MLflow did not take the model: {error}; it is kept on the job's volume"
        raise CannotLearnError(AutoMLReason.REGISTRATION_FAILED, message) from error
    return replace(progress, model=model, tracking=registry.tracking)


def _write_report(
    job: AutoMLJob,
    found: _Found,
    chosen: Chosen,
    progress: Progress,
    scores: Mapping[str, float],
    predicted: Any,
    folder: Path,
) -> list[Path]:
    data, problem = found.data, found.data.settled.problem
    target = data.target[data.splits.holdout]
    regression = problem.task == "Regression"
    uncertain = json.loads((chosen.folder / "model.json").read_text())
    told = report.Report(
        title=f"{job.metadata.namespace}/{job.metadata.name}",
        problem=problem,
        chosen=chosen.candidate.recipe.name,
        leaderboard=progress.leaderboard,
        scores=scores,
        scientific=finite(scientific(target, predicted, job.spec.limits)) if regression else {},
        importance=permutation_importance(data, chosen.predictor),
        tree_shap=tree_shap(data, chosen.predictor),
        findings=found.findings,
        calibration=uncertain["calibration"]["kind"],
        threshold=chosen.predictor.threshold,
        quantized=progress.quantized,
        rows={
            "in the Dataset": len(found.table.frame),
            "without a target": len(found.table.frame) - len(data.frame),
            "development": len(data.splits.development),
            "holdout": len(data.splits.holdout),
        },
    )
    return report.write(told, target, predicted, folder)


def _write_json(content: Mapping[str, Any], file: Path) -> None:
    file.write_text(json.dumps(content, indent=1, allow_nan=False))
