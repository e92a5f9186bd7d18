"""A TuningJob in the simulated world."""

from dataclasses import replace

from afina_api.reasons import Reason
from afina_api.tuningstatus import TuningJobStatus
from afina_operator.resources import RAY_CLUSTERS, TUNING_JOBS, Json, Ref
from afina_operator.tuningjob.objects import KIND
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
    own_actions={"grow": _grow, "change image": before_start(TARGET, _change_image)},
)

WITH_WORKERS = replace(TUNING_JOB, spec=SPEC | {"execution": {"workers": 1}}, more_children=(RAY_CLUSTERS,))
"""The same on a Ray cluster of its own."""
