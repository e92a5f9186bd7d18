"""A TuningJob in the simulated world."""

from dataclasses import replace
from functools import partial

from afina_api.reasons import Reason
from afina_api.tuningstatus import TuningJobStatus
from afina_operator.driver.room import SLOTS
from afina_operator.resources import JOBS, RAY_CLUSTERS, TUNING_JOBS, Json, Ref, dig
from afina_operator.tuningjob.objects import KIND
from world import kubernetes
from world.apiserver import ApiServer
from world.subjects import NAME, NAMESPACE, State, Subject, before_start, edit_spec

TARGET = Ref(TUNING_JOBS, NAMESPACE, NAME)
SPEC: Json = {
    "objectives": [{"metric": "rmse", "goal": "Minimize"}],
    "parameters": [{"name": "x", "float": {"min": 0, "max": 1}}],
    "budget": {"maxTrials": 5, "parallelTrials": 1, "maxFailedTrials": 3},
    "trial": {"command": {"argv": ["train"]}, "image": "lab/train:1"},
}
WRONG = {"trial": SPEC["trial"] | {"command": {"argv": ["train", "$(params.depth)"]}}}
"""It names a parameter that does not exist."""


def _grow(world: ApiServer) -> None:
    edit_spec(world, TARGET, budget=SPEC["budget"] | {"maxTrials": 50, "timeoutSeconds": 3600})


def _ask_for(world: ApiServer, parallel: int) -> None:
    if not dig(world.objects.get(TARGET), "status", "completionTime"):  # then the API server refuses it
        edit_spec(world, TARGET, budget=SPEC["budget"] | {"parallelTrials": parallel})


def _end_with_room(world: ApiServer) -> None:
    """The driver ends; nobody else had anything left to do, so that it has room for what is asked for by now."""
    if kubernetes.running(world):
        wanted = world.objects[TARGET]["spec"]["budget"]["parallelTrials"]
        assert _made_for(world) >= wanted, f"a driver with room for {_made_for(world)} is left to run {wanted} trials"
    TUNING_JOB.actions["driver ends"](world)


def _made_for(world: ApiServer) -> int:
    env = dig(world.objects[TUNING_JOB.child(JOBS)], "spec", "template", "spec", "containers", 0, "env")
    return int(next(one["value"] for one in env if one["name"] == SLOTS))


def _change_image(world: ApiServer) -> None:
    edit_spec(world, TARGET, trial=SPEC["trial"] | {"image": "lab/train:2"})


TUNING_JOB = Subject(
    kind=KIND,
    status=TuningJobStatus,
    spec=SPEC,
    good_end=State("True", Reason.TARGET_REACHED, "rmse 0.51 reaches the target of 0.55"),
    bad_end=State("False", Reason.TOO_MANY_FAILED_TRIALS, "4 trials failed, 3 may"),
    report={
        "trials": {"total": 2, "succeeded": 1, "running": 1},
        "summary": {"best": "rmse 0.6", "trials": "1/5"},
    },
    image=lambda spec: str(spec["trial"]["image"]),
    wrong=WRONG,
    own_actions={
        "grow": _grow,
        "change image": before_start(TARGET, _change_image),
        "ask for three at a time": partial(_ask_for, parallel=3),
        "ask for one at a time": partial(_ask_for, parallel=1),
    },
)

ATTENTIVE = replace(TUNING_JOB, own_actions={**TUNING_JOB.own_actions, "driver ends": _end_with_room})
"""The same, whose driver ends by itself only after it was given the room that it should have."""

WITH_WORKERS = replace(TUNING_JOB, spec=SPEC | {"execution": {"workers": 1}}, more_children=(RAY_CLUSTERS,))
"""The same on a Ray cluster of its own."""

ATTENTIVE_WITH_WORKERS = replace(WITH_WORKERS, own_actions=ATTENTIVE.own_actions)
