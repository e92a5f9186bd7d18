"""The registered model in MLflow: its files with their digest, aliases, and the contest with the present champion.

Every step looks first at what is there, so that a driver that comes after a death registers no second version. It looks
once more after it has made something: MLflow's client repeats requests whose replies are lost, and that makes twins.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Param
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from afina_api.automljob import DIGEST_TAG, NEEDS_TAG, AutoMLJob, RegisteredModel
from afina_api.base import Tracking
from afina_jobs.automl.champion import Promoted, decide, paired_bootstrap
from afina_jobs.automl.choosing import Chosen
from afina_jobs.automl.data import Data
from afina_jobs.automl.features.tables import from_table
from afina_jobs.automl.problem import Table
from afina_jobs.automl.quantization import Quantized
from afina_models.digest import FILES
from afina_models.predictor import Predictor

log = logging.getLogger(__name__)

CANDIDATE, CHAMPION = "candidate", "champion"
DATASET_TAG, UID_TAG, PROMOTION_TAG = "afina.dataset", "afina.uid", "afina.promotion"
QUANTIZATION_TAG = "afina.quantization"
_MODEL = "model"
_FLAVOR = "afina"
_SIGNATURE_ROWS = 100
_MAX_MESSAGE = 1000
_MISSING, _THERE = ErrorCode.Name(RESOURCE_DOES_NOT_EXIST), ErrorCode.Name(RESOURCE_ALREADY_EXISTS)


class _IncomparableError(Exception):
    """The champion's predictions are not to be had."""


@dataclass(frozen=True)
class Product:
    """What a job has made."""

    data: Data
    table: Table
    chosen: Chosen
    scores: Mapping[str, float]
    predicted: Any
    """Of the holdout, by the chosen model."""
    quantized: Quantized | None = None


class Registry:
    """MLflow, as one job uses it. Every method may be repeated."""

    def __init__(self, job: AutoMLJob) -> None:
        """Find the job's run, or begin it.

        Raises:
            MlflowException: the server did not answer, or refused. So do all other methods.
        """
        self._client = MlflowClient()
        self._job = job
        self._identity = job.metadata.uid or f"{job.metadata.namespace}/{job.metadata.name}"
        experiment = self._experiment(f"{job.metadata.namespace}/{job.metadata.name}")
        self.tracking = Tracking(experiment_id=experiment, run_id=self._run(experiment))

    def log(self, product: Product, files: Sequence[Path]) -> None:
        """Write the scores, the report and the model into the job's run."""
        run = self.tracking.run_id
        spec, problem = self._job.spec, product.data.settled.problem
        params = {"task": problem.task, "metric": problem.metric, "target": spec.target, "seed": str(spec.seed)}
        params |= {"model": product.chosen.candidate.recipe.name, "dataset": product.data.settled.digest}
        self._client.log_batch(run, params=[Param(name, value) for name, value in params.items()])
        for name, value in product.scores.items():
            self._client.log_metric(run, name, value)
        self._client.log_metric(run, f"cv_{problem.metric}", product.chosen.candidate.score)
        if product.quantized:
            self._log_sides(run, product.quantized)
        for file in files:
            self._client.log_artifact(run, str(file))
        with tempfile.TemporaryDirectory() as folder:
            self._client.log_artifacts(run, str(self._package(product, Path(folder))), _MODEL)
        self._client.set_terminated(run)

    def _log_sides(self, run: str, found: Quantized) -> None:
        self._client.set_tag(run, QUANTIZATION_TAG, found.message)
        for name, side in (("float", found.floats), ("int8", found.int8)):
            for metric, value in (side.figures() if side else {}).items():
                self._client.log_metric(run, f"{name}_{metric}", value)

    def _package(self, product: Product, folder: Path) -> Path:
        """The exported files, what a server must know of them, and what the training rows were like."""
        shutil.copytree(product.chosen.folder, folder / FILES)
        (folder / "training.json").write_text(json.dumps(product.table.statistics))
        rows = product.data.splits.holdout[:_SIGNATURE_ROWS]
        seen = _plain(product.data.frame.iloc[rows][list(product.chosen.predictor.pipeline.types)])
        said = product.chosen.predictor.values(product.data.columns(rows))
        model = Model(run_id=self.tracking.run_id, artifact_path=_MODEL, signature=infer_signature(seen, said))
        model.add_flavor(_FLAVOR, files=FILES, digest=product.chosen.digest, training="training.json")
        model.save(str(folder / "MLmodel"))
        return folder

    def register(self, name: str, product: Product) -> RegisteredModel:
        """Make the model a version of the registered model, `candidate`, and `champion` if it has earned it."""
        self._once(lambda: self._client.create_registered_model(name), _THERE)
        version = self._version(name, product)
        self._client.set_registered_model_alias(name, CANDIDATE, version.version)
        aliases = [CANDIDATE]
        present = self._champion(name)
        if present is not None and present.version == version.version:
            return self._registered(name, version, product, [CANDIDATE, CHAMPION])
        promoted = self._contest(present, product)
        self._client.set_model_version_tag(name, version.version, PROMOTION_TAG, promoted.message)
        log.info("champion: %s: %s", "yes" if promoted.champion else "no", promoted.message)
        if promoted.champion:
            self._client.set_registered_model_alias(name, CHAMPION, version.version)
            aliases.append(CHAMPION)
        return self._registered(name, version, product, aliases)

    def _registered(self, name: str, version: ModelVersion, product: Product, aliases: list[str]) -> RegisteredModel:
        return RegisteredModel(name=name, version=str(version.version), digest=product.chosen.digest, aliases=aliases)

    def _version(self, name: str, product: Product) -> ModelVersion:
        if not self._versions(name, product):
            self._create_version(name, product)
        first, *twins = self._versions(name, product)
        for twin in twins:
            self._once(partial(self._client.delete_model_version, name, twin.version), _MISSING)
        return first

    def _versions(self, name: str, product: Product) -> list[ModelVersion]:
        """Versions of this product, the oldest first."""
        known = self._client.search_model_versions(f"run_id = '{self.tracking.run_id}'")
        ours = [one for one in known if (one.name, one.tags.get(DIGEST_TAG)) == (name, product.chosen.digest)]
        return sorted(ours, key=lambda version: int(version.version))

    def _create_version(self, name: str, product: Product) -> None:
        tags = {
            DIGEST_TAG: product.chosen.digest,
            DATASET_TAG: product.data.settled.digest,
            UID_TAG: self._identity,
        }
        images = product.data.settled.images
        if images and images.needs_torch:
            tags[NEEDS_TAG] = "torch"
        if product.quantized:
            tags[QUANTIZATION_TAG] = product.quantized.message
        run = self._client.get_run(self.tracking.run_id)
        self._client.create_model_version(name, f"{run.info.artifact_uri}/{_MODEL}", run.info.run_id, tags=tags)

    def _champion(self, name: str) -> ModelVersion | None:
        try:
            return self._client.get_model_version_by_alias(name, CHAMPION)
        except MlflowException as error:
            # For an alias that is not there, MLflow gives the code of a wrong parameter.
            if error.error_code == _MISSING or "not found" in str(error):
                return None
            raise

    def _contest(self, present: ModelVersion | None, product: Product) -> Promoted:
        """Whether the model takes the champion's place. One that cannot be compared keeps it: people must look."""
        try:
            return decide(self._job.spec.promotion, product.scores, self._p_value(present, product))
        except _IncomparableError as error:
            return Promoted(champion=False, message=str(error)[:_MAX_MESSAGE])

    def _p_value(self, present: ModelVersion | None, product: Product) -> float | None:
        """Of the test against the champion on our holdout."""
        if present is None or self._job.spec.promotion is None:
            return None
        data = product.data
        rows = data.splits.holdout
        try:
            predictor = load_version(present)
            champion = predictor.values(from_table(data.frame.iloc[rows], predictor.pipeline.types))
        except Exception as error:  # it may be of another kind altogether
            message = f"the champion, version {present.version}, cannot be compared: {error}"
            raise _IncomparableError(message) from error
        ours = product.chosen.predictor
        if champion.shape != product.predicted.shape or predictor.classes != ours.classes:
            raise _IncomparableError(f"the champion, version {present.version}, predicts other classes")
        groups = None if data.groups is None else data.groups[rows]
        metric, thresholds = data.settled.problem.metric, (ours.threshold, predictor.threshold)
        target, seed = data.target[rows], data.settled.seed
        return paired_bootstrap(metric, target, product.predicted, champion, groups, seed, thresholds)

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            self._once(lambda: self._client.create_experiment(name), _THERE)
            return self._experiment(name)
        if found.lifecycle_stage != "active":
            self._client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _run(self, experiment: str) -> str:
        if not self._runs(experiment):
            self._client.create_run(experiment, tags={UID_TAG: self._identity}, run_name=self._job.metadata.name)
        first, *twins = self._runs(experiment)
        for twin in twins:
            self._client.delete_run(twin)
        return first

    def _runs(self, experiment: str) -> list[str]:
        """The job's runs, the oldest first."""
        wanted = f"tags.`{UID_TAG}` = '{self._identity}'"
        found = self._client.search_runs([experiment], wanted, order_by=["attributes.start_time ASC"])
        return [str(run.info.run_id) for run in found]

    @staticmethod
    def _once(act: Callable[[], object], done: str) -> None:
        """Do what may have been done already, which the code of an error tells."""
        try:
            act()
        except MlflowException as error:
            if error.error_code != done:
                raise


def load_version(version: ModelVersion) -> Predictor:
    """A registered version, read back.

    Raises:
        DigestError: its files are not those that were registered.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = get_artifact_repository(str(version.source)).download_artifacts(FILES, folder)
        return Predictor.load(Path(files), version.tags[DIGEST_TAG])


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Whole numbers as floats: any column may be missing when the model serves."""
    whole = frame.select_dtypes(["integer", "boolean"]).columns
    return frame.astype(dict.fromkeys(whole, float))
