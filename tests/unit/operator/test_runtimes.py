"""What a pod of each runtime is made of, and what makes it another revision."""

from dataclasses import replace
from typing import Any

import pytest

from afina_api.modeldeployment import ModelDeployment
from afina_operator.driver.kind import InvalidSpecError, parsed
from afina_operator.modeldeployment import objects
from afina_operator.modeldeployment.revisions import Revision
from afina_operator.registry import RegisteredVersion
from afina_operator.settings import Images, Settings
from support.serving_specs import GOOD_DEPLOYMENT
from support.specs import changed
from world.modeldeployments import SPEC, Lab

SETTINGS = Settings(images=Images("reg/runtime:1", torchserve="reg/torchserve:1"))
MODEL = RegisteredVersion("loans", "3", digest="sha256:1", source="s3://models/1")
Json = dict[str, Any]
UVICORN: Json = {"name": "Uvicorn"}
RAY: Json = {"name": "RayServe", "settings": {"workers": 2}}
TORCHSERVE: Json = {"name": "TorchServe"}


def revision(runtime: Json, settings: Settings = SETTINGS, model: RegisteredVersion = MODEL, **spec: str) -> Revision:
    changes = {"spec.runtime": runtime, "spec.resources": {"memory": "2Gi"}}
    wanted = changed(GOOD_DEPLOYMENT, changes | {f"spec.{name}": value for name, value in spec.items()})
    return Revision.wanted(parsed(ModelDeployment, wanted), model, settings)


def pod(runtime: Json) -> Json:
    obj = changed(GOOD_DEPLOYMENT, {"metadata.namespace": "lab", "metadata.uid": "u1"})
    spec = parsed(ModelDeployment, obj).spec
    found: Json = objects.deployment(obj, spec, revision(runtime), 1, SETTINGS)["spec"]["template"]["spec"]
    return found


IMAGES = {
    "Uvicorn": (UVICORN, "reg/runtime:1"),
    "Ray": (RAY, "reg/runtime:1"),
    "Torch": (TORCHSERVE, "reg/torchserve:1"),
}


@pytest.mark.parametrize(("runtime", "image"), IMAGES.values(), ids=IMAGES.keys())
def test_the_server_is_told_its_runtime(runtime: Json, image: str) -> None:
    (container,) = pod(runtime)["containers"]
    told = {one["name"]: one["value"] for one in container["env"]}
    workers = runtime.get("settings", {}).get("workers", 1)
    assert (container["image"], told["AFINA_RUNTIME"], told["AFINA_WORKERS"]) == (image, runtime["name"], str(workers))


@pytest.mark.parametrize("runtime", [UVICORN, RAY, TORCHSERVE], ids=lambda runtime: str(runtime["name"]))
def test_ray_alone_has_shared_memory(runtime: Json) -> None:
    found = pod(runtime)
    mounts = {one["name"]: one["mountPath"] for one in found["containers"][0]["volumeMounts"]}
    volumes = {one["name"]: one["emptyDir"] for one in found["volumes"]}
    assert mounts.keys() == volumes.keys()
    assert ("/dev/shm" in mounts.values()) is (runtime is RAY)  # noqa: S108
    assert volumes.get("shm") == ({"medium": "Memory", "sizeLimit": "128Mi"} if runtime is RAY else None)


def test_another_runtime_and_another_number_of_workers_are_other_revisions() -> None:
    wanted: list[Json] = [UVICORN, {"name": "RayServe"}, RAY, TORCHSERVE]
    assert len({revision(runtime).name for runtime in wanted}) == len(wanted)


def test_a_record_that_knows_no_workers_is_read() -> None:
    record = revision(UVICORN).record()
    del record["workers"]
    assert Revision.recorded(record) == revision(UVICORN)


def test_a_model_that_needs_torch_gets_its_image() -> None:
    sees = replace(MODEL, needs="torch")
    torch = Settings(images=Images("reg/runtime:1", "reg/torch:1", torchserve="reg/torchserve:1"))
    assert [revision(runtime, torch, sees).image for runtime in (UVICORN, RAY)] == ["reg/torch:1"] * 2
    assert revision(UVICORN, torch).image == "reg/runtime:1"
    with pytest.raises(InvalidSpecError, match=r"spec\.model: the network by which loans sees images needs the torch"):
        revision(UVICORN, SETTINGS, sees)
    with pytest.raises(InvalidSpecError, match=r"spec\.runtime\.name: loans sees images .* take another runtime"):
        revision(TORCHSERVE, torch, sees)
    for runtime in (UVICORN, TORCHSERVE):
        assert revision(runtime, SETTINGS, sees, image="reg/own:1").image == "reg/own:1"


def test_without_its_image_the_spec_is_refused_and_what_is_served_goes_on() -> None:
    with pytest.raises(InvalidSpecError, match=r"spec\.runtime\.name: TorchServe .* set image\.torchserve"):
        revision(TORCHSERVE, Settings())
    lab = Lab()
    lab.apply()
    lab.live(lambda now: now.condition("Ready")[0] == "True")
    lab.apply(runtime=TORCHSERVE)
    lab.rest()
    assert lab.condition("Progressing") == ("False", "InvalidSpec")
    assert lab.versions() == {"1": 100}
    lab.apply(runtime=SPEC.get("runtime", UVICORN))
    lab.rest()
    assert lab.condition("Progressing") == ("False", "Stable")
