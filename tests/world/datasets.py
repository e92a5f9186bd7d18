"""A Dataset in the simulated world, and the ConfigMap that it is read from."""

from afina_api.dataset import DatasetStatus
from afina_api.reasons import DatasetReason
from afina_operator.dataset.objects import KIND
from afina_operator.resources import CONFIG_MAPS, Json, Ref, dig
from afina_operator.settings import Images
from world.apiserver import ApiServer
from world.subjects import NAMESPACE, State, Subject, made

SOURCE = Ref(CONFIG_MAPS, NAMESPACE, "files")


def _provide(world: ApiServer) -> None:
    if SOURCE not in world.objects:
        world.make(made(SOURCE, data={"a.csv": "x,y"}), "user")


def _take_away(world: ApiServer) -> None:
    if SOURCE in world.objects:
        world.remove(SOURCE, "user")


def _waits(world: ApiServer, obj: Json, _: Json | None) -> State | None:
    """For a source that never was; one that a driver has read already may come back."""
    wanting = "there is no ConfigMap 'files'"
    given_up = dig(obj, "status", "completionTime")
    if SOURCE in world.objects and not given_up:
        return None
    if "digest" in obj["status"]:
        return State("Unknown", DatasetReason.RESTARTING, wanting)
    return State("False", DatasetReason.POD_CANNOT_START, wanting)


DATASET = Subject(
    kind=KIND,
    status=DatasetStatus,
    spec={"source": {"configMap": {"name": SOURCE.name, "key": "a.csv"}}, "format": "CSV"},
    good_end=State("True", DatasetReason.ACCEPTED, "442 rows"),
    bad_end=State("False", DatasetReason.UNREADABLE_DATA, "line 3"),
    report={"digest": f"sha256:{'0' * 64}", "bytes": 3},
    image=lambda _: Images.runtime,
    wrong={
        "source": {"configMap": {"name": SOURCE.name, "key": "a.zip"}},
        "format": "Images",
        "images": {"features": ["EfficientNetLite0"]},
    },
    tries=3,
    own_actions={"provide the source": _provide, "take the source away": _take_away},
    surroundings=_provide,
    waits=_waits,
)
