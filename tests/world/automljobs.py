"""An AutoMLJob in the simulated world, and its Dataset, of which only the outside counts."""

from afina_api.automljob import AutoMLJobStatus
from afina_api.reasons import AutoMLReason
from afina_operator.automljob.objects import KIND
from afina_operator.conditions import condition
from afina_operator.resources import AUTOML_JOBS, DATASETS, VOLUME_CLAIMS, Json, Ref, dig
from afina_operator.settings import Images
from world.apiserver import ApiServer
from world.subjects import NAME, NAMESPACE, State, Subject, before_start, edit_spec, made

TARGET = Ref(AUTOML_JOBS, NAMESPACE, NAME)
DATASET = Ref(DATASETS, NAMESPACE, "houses")
CLAIM = Ref(VOLUME_CLAIMS, NAMESPACE, "ds-houses")


def _make(world: ApiServer) -> None:
    if DATASET not in world.objects:
        world.make(made(DATASET, spec={}), "user")
        _make_claim(world)


def _make_claim(world: ApiServer) -> None:
    if CLAIM not in world.objects:
        claim = made(CLAIM, spec={})
        uid = world.objects[DATASET]["metadata"]["uid"]
        owner = {"apiVersion": DATASETS.api_version, "kind": DATASETS.kind, "name": DATASET.name, "uid": uid}
        claim["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
        world.make(claim, "operator of Datasets")


def _judge(world: ApiServer, verdict: str, reason: str, message: str) -> None:
    """The Dataset has come to its end, which is its only one."""
    dataset = world.objects.get(DATASET)
    if dataset and not condition(dataset, "Ready"):
        _make_claim(world)
        entry = {"type": "Ready", "status": verdict, "reason": reason, "message": message}
        world.write_status(made(DATASET, status={"conditions": [entry]}), "operator of Datasets")


def _accept(world: ApiServer) -> None:
    _judge(world, "True", "Accepted", "442 rows")


def _refuse(world: ApiServer) -> None:
    _judge(world, "False", "ValidationFailed", "price: min 0")


def _delete(world: ApiServer) -> None:
    if DATASET in world.objects:
        world.remove(DATASET, "user")


def _be_ready(world: ApiServer) -> None:
    _make(world)
    _accept(world)


def _may_start(world: ApiServer) -> bool:
    """One that was there and is gone may have been deleted since the operator looked."""
    dataset = world.objects.get(DATASET)
    return condition(dataset, "Ready").get("status") == "True" if dataset else DATASET in world.made


_REFUSED = State("False", AutoMLReason.DATASET_NOT_READY, "Dataset 'houses' is not Ready: ValidationFailed: price")
_GONE = State("False", AutoMLReason.POD_CANNOT_START, "spec.datasetRef.name: there is no Dataset 'houses': create it.")


def _waits(world: ApiServer, obj: Json, job: Json | None) -> State | None:
    if dig(obj, "status", "completionTime"):
        # Which of them it was depends on when the operator looked; another Dataset may be there by now.
        return _GONE if condition(obj, "Succeeded")["reason"] == _GONE.reason else _REFUSED
    return _waits_without(world) if job is None else _waits_with(world, obj, job)


def _waits_without(world: ApiServer) -> State | None:
    """There is no Job yet."""
    dataset = world.objects.get(DATASET)
    if dataset is None:
        return State("Unknown", AutoMLReason.PENDING, "There is no Dataset 'houses': create it.")
    ready = condition(dataset, "Ready").get("status")
    if ready == "False":
        return _REFUSED
    return None if ready else State("Unknown", AutoMLReason.PENDING, "Dataset 'houses' is not Ready yet")


def _waits_with(world: ApiServer, obj: Json, job: Json) -> State | None:
    """There is a Job. Who has learned for a while may go on when the Dataset is there again."""
    has_run = "summary" in obj["status"] or dig(job, "status", "failed")
    if DATASET not in world.objects:
        return State("Unknown", AutoMLReason.RESTARTING, _GONE.words) if has_run else _GONE
    reason = AutoMLReason.RESTARTING if has_run else AutoMLReason.PENDING
    return None if CLAIM in world.objects else State("Unknown", reason, '"ds-houses" not found')


AUTOML_JOB = Subject(
    kind=KIND,
    status=AutoMLJobStatus,
    spec={"datasetRef": {"name": DATASET.name}, "target": "price"},
    good_end=State("True", AutoMLReason.MODEL_READY, "LightGBM: RMSE 0.5 cross-validated"),
    bad_end=State("False", AutoMLReason.LEAKAGE_FOUND, "price_eur tells the target"),
    report={"summary": {"best": "Linear RMSE 0.6", "models": "1"}},
    image=lambda spec: str(spec.get("image", Images.runtime)),
    wrong={"models": ["MLP"]},
    own_actions={
        "change image": before_start(TARGET, lambda world: edit_spec(world, TARGET, image="lab/learn:2")),
        "make the Dataset": _make,
        "accept the Dataset": _accept,
        "refuse the Dataset": _refuse,
        "delete the Dataset": _delete,
    },
    surroundings=_be_ready,
    reads=(CLAIM,),
    may_start=_may_start,
    waits=_waits,
)
