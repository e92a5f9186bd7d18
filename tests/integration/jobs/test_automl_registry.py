"""What jobs register in a real MLflow with PostgreSQL and S3 behind it, whatever dies in the midst of it.

Three models are learned, once: of one column, of two, and of all three that the target is made of. Tests register them
under names of their own.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.models import Model

from afina_api.automljob import AutoMLJob, RegisteredModel
from afina_api.base import Tracking
from afina_api.reasons import AutoMLReason
from afina_jobs.automl import registry
from afina_jobs.automl.learn import Place, Progress, learn
from afina_jobs.automl.problem import CannotLearnError
from afina_jobs.automl.registry import Product, Registry, load_version
from afina_models.digest import DigestError, digest
from afina_models.predictor import Predictor
from afina_serving.download import fetched
from support.datasets import DIGEST, a_dataset, an_automl_job
from support.postgresql import postgresql_server
from support.s3 import KEYS, S3Server
from support.servers import MlflowServer
from support.web import Line

pytestmark = pytest.mark.integration

BUCKET = "models"
PROMOTION = {"thresholds": [{"metric": "R2", "value": 0.2}], "alpha": 0.05}
KINDS = {"worse": ["b", "c"], "good": ["c"], "better": []}
"""The columns that each model does without."""


class Killed(BaseException):
    """The driver is gone."""


@dataclass(frozen=True)
class Learned:
    """What a job has made, and the files that it logs."""

    product: Product
    files: Sequence[Path]


@pytest.fixture(scope="module")
def mlflow_database() -> Iterator[str]:
    """MLflow and Optuna cannot share one: each keeps its schema's version in a table of the same name."""
    with postgresql_server() as server:
        yield f"postgresql+psycopg://{server.place}"


@pytest.fixture(scope="module")
def server(
    mlflow_python: Path, mlflow_database: str, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    s3_server.client().create_bucket(Bucket=BUCKET)
    found = MlflowServer(
        mlflow_python,
        tmp_path_factory.mktemp("mlflow-on-s3"),
        store=mlflow_database,
        artifacts=f"s3://{BUCKET}/runs",
        env=KEYS | {"MLFLOW_S3_ENDPOINT_URL": s3_server.url},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", found.url)
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        try:
            found.start()
            yield found
        finally:
            found.kill()


@pytest.fixture
def client(server: MlflowServer) -> MlflowClient:
    return MlflowClient(server.url)


def a_table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 3))
    target = features @ [3.0, 2.0, 1.0] + rng.normal(size=300) * 0.3
    return pd.DataFrame(features, columns=["a", "b", "c"]).assign(target=target)


def a_job(name: str, uid: str = "1", **spec: Any) -> AutoMLJob:
    quick = {"models": ["Linear"], "budget": {"maxModels": 1}, "validation": {"folds": 2}, "ensemble": "None"}
    job = an_automl_job(**{**quick, "registerAs": name, "promotion": PROMOTION} | spec)
    metadata = job.metadata.model_copy(update={"name": f"{name} {uid}", "uid": f"{name} {uid}"})
    return job.model_copy(update={"metadata": metadata})


def run(job: AutoMLJob, folder: Path) -> Progress:
    place = Place(a_dataset(folder / "dataset", a_table()), folder / "study", folder / "work")
    return asyncio.run(learn(job, place, lambda _progress: None))


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Learned]:
    """What jobs hand to the registry, of each kind."""
    found = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
            kept: list[Learned] = []
            patch.setattr(Registry, "__init__", lambda _self, _job: setattr(_self, "tracking", NO_RUN))
            patch.setattr(Registry, "log", lambda _self, product, files: kept.append(Learned(product, files)))  # noqa: B023
            patch.setattr(Registry, "register", lambda _self, _name, _product: None)
            run(a_job("unregistered", features={"exclude": KINDS[kind]}), folder)
        (found[kind],) = kept
    return found


NO_RUN = Tracking(experiment_id="0", run_id="none")


def register(learned: Learned, job: AutoMLJob) -> RegisteredModel:
    """What the job does at its end."""
    assert job.spec.register_as
    found = Registry(job)
    found.log(learned.product, learned.files)
    return found.register(job.spec.register_as, learned.product)


def versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    return list(client.search_model_versions(f"name = '{name}'"))


def alias(client: MlflowClient, name: str, which: str) -> str:
    """The version that has an alias."""
    return str(client.get_model_version_by_alias(name, which).version)


def test_a_job_learns_and_registers_its_model(
    server: MlflowServer, client: MlflowClient, s3_server: S3Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job = a_job("whole", features={"exclude": ["c"]})
    model = run(job, tmp_path).model
    assert model
    assert (model.name, model.version, model.aliases) == ("whole", "1", ["candidate", "champion"])
    assert model.digest == digest(tmp_path / "study" / "model")
    assert [alias(client, "whole", which) for which in ("candidate", "champion")] == ["1", "1"]
    (version,) = versions(client, "whole")
    assert version.tags["afina.digest"] == model.digest
    assert version.tags["afina.dataset"] == DIGEST
    assert version.tags["afina.promotion"] == "it keeps the thresholds, and there is no champion yet"
    row = {"a": 1.0, "b": 1.0, "c": 1.0}
    assert load_version(version).predict([row]).values[0] == pytest.approx(5, abs=0.5)
    assert "Downloading" not in capfd.readouterr().err  # a progress bar of MLflow's
    served = fetched(str(version.source), tmp_path / "served")
    assert Predictor.load(served, model.digest).predict([row]).values[0] == pytest.approx(5, abs=0.5)

    tracked = client.get_run(str(version.run_id))
    assert tracked.info.status == "FINISHED"
    assert tracked.data.metrics["R2"] > 0.8
    files = {file.path for file in client.list_artifacts(tracked.info.run_id)}
    assert files == {"manifest.json", "model", "report.html", "report.json"}
    known = Model.load(version.source)
    assert [column.name for column in known.signature.inputs] == ["a", "b"]
    assert known.flavors["afina"]["digest"] == model.digest
    assert "target" in Path(download_artifacts(f"{version.source}/training.json")).read_text()
    on_s3 = [path.name for path in (s3_server.buckets / BUCKET).rglob("*") if path.is_file()]
    assert {"model.json", "features.json", "MLmodel", "training.json"} <= set(on_s3)

    assert run(job, tmp_path).model == model, "a driver that comes after a death registers nothing twice"
    assert len(versions(client, "whole")) == 1


CONTESTS: dict[str, tuple[str, dict[str, Any], bool, str]] = {
    "a better one": ("better", {}, True, "the test against the present champion has p 0.0010 (alpha 0.05)"),
    "a worse one": ("worse", {}, False, "the test against the present champion has p 1.0000 (alpha 0.05)"),
    "an equal one": ("good", {}, False, "the test against the present champion has p 1.0000 (alpha 0.05)"),
    "a better one that is not good enough": (
        "better",
        {"promotion": {"thresholds": [{"metric": "R2", "value": 0.9999}]}},
        False,
        "and should be at least 0.9999",
    ),
    "a better one that nobody promotes": ("better", {"promotion": None}, False, "spec.promotion is unset"),
}


@pytest.mark.parametrize("what", CONTESTS)
def test_becomes_champion_if_it_has_earned_it(what: str, client: MlflowClient, learned: dict[str, Learned]) -> None:
    kind, spec, promoted, why = CONTESTS[what]
    register(learned["good"], a_job(what, uid="1"))
    second = register(learned[kind], a_job(what, uid="2", **spec))
    assert second.aliases == (["candidate", "champion"] if promoted else ["candidate"])
    assert alias(client, what, "candidate") == second.version == "2"
    assert alias(client, what, "champion") == ("2" if promoted else "1")
    assert why in client.get_model_version(what, "2").tags["afina.promotion"]


def test_a_champion_of_other_classes_stays(
    client: MlflowClient, learned: dict[str, Learned], monkeypatch: pytest.MonkeyPatch
) -> None:
    register(learned["worse"], a_job("of classes", uid="1"))

    def of_classes(version: ModelVersion) -> Predictor:
        found = load_version(version)
        found.classes = ["no", "yes"]
        return found

    monkeypatch.setattr(registry, "load_version", of_classes)
    monkeypatch.setattr(Predictor, "values", lambda _self, _rows: learned["worse"].product.predicted)
    second = register(learned["better"], a_job("of classes", uid="2"))
    assert second.aliases == ["candidate"]
    told = client.get_model_version("of classes", "2").tags["afina.promotion"]
    assert told == "the champion, version 1, predicts other classes"


class Dying:
    """A client of MLflow whose process dies before a call."""

    def __init__(self, calls: int) -> None:
        self._real = MlflowClient()
        self._left = calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if self._left == 0:
                raise Killed
            self._left -= 1
            return getattr(self._real, name)(*arguments, **options)

        return call


class Stuttering:
    """A client of MLflow that sends all twice, as it does when a reply is lost."""

    def __init__(self) -> None:
        self._real = MlflowClient()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            getattr(self._real, name)(*arguments, **options)
            return getattr(self._real, name)(*arguments, **options)

        return call


@dataclass(frozen=True)
class Contest:
    """A registered model with a champion, and what a better one makes of it."""

    client: MlflowClient
    champion: ModelVersion
    challenger: Learned

    def begin(self, name: str) -> AutoMLJob:
        """The champion's place under a name, and the job of the challenger."""
        self.client.create_registered_model(name)
        self.client.create_model_version(name, str(self.champion.source), self.champion.run_id, tags=self.champion.tags)
        self.client.set_registered_model_alias(name, "champion", "1")
        return a_job(name)

    def state(self, job: AutoMLJob) -> dict[str, Any]:
        """All that a job leaves behind, but for what is random."""
        name = job.spec.register_as or ""
        experiment = self.client.get_experiment_by_name(f"default/{job.metadata.name}")
        assert experiment
        runs = self.client.search_runs([experiment.experiment_id])
        return {
            "versions": {
                one.version: (one.tags, one.run_id in {run.info.run_id for run in runs})
                for one in versions(self.client, name)
            },
            "aliases": [alias(self.client, name, which) for which in ("candidate", "champion")],
            "runs": [(run.info.status, run.data.params, run.data.metrics) for run in runs],
            "files": [{file.path for file in self.client.list_artifacts(run.info.run_id, "model")} for run in runs],
        }


@pytest.fixture(scope="module")
def contest(server: MlflowServer, learned: dict[str, Learned]) -> Contest:
    client = MlflowClient(server.url)
    register(learned["worse"], a_job("of old"))
    (champion,) = versions(client, "of old")
    better = learned["better"]
    few = replace(better.product, scores={"R2": better.product.scores["R2"]})
    return Contest(client, champion, Learned(few, better.files[:1]))


@pytest.fixture(scope="module")
def undisturbed(contest: Contest) -> dict[str, Any]:
    """What is left where nothing goes wrong."""
    job = contest.begin("undisturbed")
    register(contest.challenger, job)
    found = contest.state(job)
    assert found["aliases"] == ["2", "2"]
    assert [one[0] for one in found["runs"]] == ["FINISHED"]
    identity = found["versions"]["2"][0].pop("afina.uid")
    assert identity == job.metadata.uid
    return found


def test_a_kill_between_any_two_calls_changes_nothing(
    contest: Contest, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for calls in itertools.count():
        job = contest.begin(f"killed after {calls}")
        with monkeypatch.context() as patch:
            patch.setattr(registry, "MlflowClient", lambda: Dying(calls))  # noqa: B023
            with suppress(Killed):
                register(contest.challenger, job)
                break
        register(contest.challenger, job)
        left = contest.state(job)
        left["versions"]["2"][0].pop("afina.uid")
        assert left == undisturbed, f"killed after {calls} calls"
    assert calls > 12


def test_lost_replies_leave_no_twin(
    contest: Contest, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = contest.begin("stuttered")
    monkeypatch.setattr(registry, "MlflowClient", Stuttering)
    register(contest.challenger, job)
    left = contest.state(job)
    left["versions"]["2"][0].pop("afina.uid")
    assert left == undisturbed


def test_a_server_that_goes_away_costs_nothing_but_another_try(
    server: MlflowServer, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections break, and it takes no more: to start it anew would take it seven seconds."""
    job = a_job("outage")
    with Line(server.url.removeprefix("http://")).open() as line:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", line.url)
        for call in ("log_batch", "create_model_version"):
            with monkeypatch.context() as patch:
                patch.setattr(MlflowClient, call, _after(line.down, getattr(MlflowClient, call)))
                with pytest.raises(CannotLearnError, match="it is kept on the job's volume") as failed:
                    run(job, tmp_path)
            assert failed.value.reason == AutoMLReason.REGISTRATION_FAILED
            kept = digest(tmp_path / "study" / "model")
            line.up()
        model = run(job, tmp_path).model
    assert model
    assert (model.digest, model.aliases) == (kept, ["candidate", "champion"])
    assert len(versions(client, "outage")) == 1


def test_a_model_that_was_changed_is_refused(
    client: MlflowClient, s3_server: S3Server, learned: dict[str, Learned]
) -> None:
    register(learned["good"], a_job("changed"))
    (version,) = versions(client, "changed")
    store, prefix = s3_server.client(), str(version.source).replace("mlflow-artifacts:/", "runs/") + "/afina/"
    listed = store.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    contents = {entry["Key"]: store.get_object(Bucket=BUCKET, Key=entry["Key"])["Body"].read() for entry in listed}
    names = {key.removeprefix(prefix) for key in contents}
    assert names == {"model.json", "features.json", "reference.json", "member-0.npz"}
    for key, content in contents.items():
        for place in (0, len(content) // 2, len(content) - 1):
            flipped = bytearray(content)
            flipped[place] ^= 1
            store.put_object(Bucket=BUCKET, Key=key, Body=bytes(flipped))
            with pytest.raises(DigestError, match="was changed: it should be sha256:"):
                load_version(version)
        store.put_object(Bucket=BUCKET, Key=key, Body=content)
    load_version(version)
    store.put_object(Bucket=BUCKET, Key=f"{prefix}more.json", Body=b"{}")
    with pytest.raises(DigestError):
        load_version(version)

    challenger = register(learned["better"], a_job("changed", uid="2"))
    assert challenger.aliases == ["candidate"], "a champion that cannot be read stays, and somebody must look"


def _after(act: Callable[[], None], method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        act()
        return method(*arguments, **options)

    return call
