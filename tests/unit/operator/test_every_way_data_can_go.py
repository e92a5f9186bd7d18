"""Every way that a Dataset's and an AutoMLJob's life can go, walked through as that of a TuningJob is.

What is the same for all kinds is explored with a TuningJob. Here is what these two have of their own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from afina_operator.driver import outcome, plan
from afina_operator.driver.kind import Mount, Workload
from world.automljobs import AUTOML_JOB
from world.datasets import DATASET
from world.explore import BrokenError, explore
from world.lives import model, scene
from world.subjects import Subject


@dataclass(frozen=True)
class Case:
    """What may happen, so often as it is named, beside the operator's crashes and the cluster's own steps."""

    subject: Subject
    actions: tuple[str, ...] = ()
    given: dict[str, Any] = field(default_factory=dict)


CASES = {
    "a Dataset is read": Case(DATASET, ("driver reports", "driver gives up")),
    "a Dataset kills its driver": Case(DATASET, ("driver crashes",) * 4),
    "a Dataset is deleted and made again": Case(DATASET, ("delete", "recreate")),
    "a Dataset's Job is deleted": Case(DATASET, ("delete the Job",)),
    "a Dataset's source comes late": Case(DATASET, ("provide the source", "time passes"), {"alone": True}),
    "a Dataset's source is gone when its pod is evicted": Case(
        DATASET, ("driver reports", "take the source away", "evict the pod")
    ),
    "a Dataset cannot be read here": Case(DATASET, ("delete", "recreate"), DATASET.wrong),
    "a Dataset's child has a name that is taken": Case(DATASET, ("take the foreign object away",), {"foreign": True}),
    "a Dataset's namespace is over its quota": Case(DATASET, ("raise the quota",), {"over_quota": True}),
    "a model is found": Case(AUTOML_JOB, ("driver reports", "driver crashes", "driver gives up")),
    "its Dataset is made late": Case(AUTOML_JOB, ("make the Dataset", "accept the Dataset"), {"alone": True}),
    "its Dataset is refused, and another is made": Case(
        AUTOML_JOB,
        ("refuse the Dataset", "delete the Dataset", "accept the Dataset", *("make the Dataset",) * 2),
        {"alone": True},
    ),
    "its Dataset is deleted": Case(AUTOML_JOB, ("delete the Dataset", "driver reports", "evict the pod")),
    "its Dataset is deleted, and another is refused": Case(
        AUTOML_JOB, ("delete the Dataset", "make the Dataset", "refuse the Dataset")
    ),
    "it is suspended while it waits for its Dataset": Case(
        AUTOML_JOB, ("resume", "make the Dataset", "accept the Dataset"), {"alone": True, "suspend": True}
    ),
    "it is deleted while it waits for its Dataset": Case(
        AUTOML_JOB, ("delete", "recreate", "make the Dataset", "accept the Dataset"), {"alone": True}
    ),
    "its image is changed at the last moment": Case(AUTOML_JOB, ("change image",)),
    "its spec is wrong and gets corrected": Case(AUTOML_JOB, ("correct the spec",), AUTOML_JOB.wrong),
    "its child's name is taken": Case(AUTOML_JOB, ("take the foreign object away",), {"foreign": True}),
    "its namespace is over its quota": Case(
        AUTOML_JOB, ("raise the quota", "delete the Dataset"), {"over_quota": True}
    ),
    "it deletes itself after its end": Case(AUTOML_JOB, ("time passes",), {"ttlSecondsAfterFinished": 100}),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_way_ends_well(case: Case) -> None:
    found = explore(scene(case.subject, *case.actions, **case.given), model(case.subject.operator()))
    assert found.worlds > 15
    assert found.steps > 250


# Planted bugs. Each replaces a part of the operator by one with a mistake that somebody could make.

Plant = Callable[[pytest.MonkeyPatch], Case]


def _no_look_at_the_dataset(patch: pytest.MonkeyPatch) -> Case:
    """The driver is started whatever its Dataset is."""
    patch.setattr(plan, "_unready", lambda observed: None)
    return CASES["its Dataset is made late"]


def _other_workload(subject: Subject, **changes: Any) -> Subject:
    kind = subject.kind

    def workload(*arguments: Any) -> Workload:
        return replace(kind.workload(*arguments), **changes)

    return replace(subject, kind=replace(kind, workload=workload))


def _dataset_not_mounted(_: pytest.MonkeyPatch) -> Case:
    """Nothing keeps the Dataset's volume while the driver runs."""
    return replace(CASES["its Dataset is deleted"], subject=_other_workload(AUTOML_JOB, mounts=()))


def _dataset_writable(_: pytest.MonkeyPatch) -> Case:
    """The driver could change what it learns from."""
    claim = {"persistentVolumeClaim": {"claimName": "ds-houses"}}
    subject = _other_workload(AUTOML_JOB, mounts=[Mount("dataset", "/var/lib/dataset", claim)])
    return replace(CASES["a model is found"], subject=subject)


def _read_too_often(_: pytest.MonkeyPatch) -> Case:
    """What kills its driver is read eleven times."""
    return replace(CASES["a Dataset kills its driver"], subject=_other_workload(DATASET, restarts=10))


def _report_forgotten(patch: pytest.MonkeyPatch) -> Case:
    """A driver that was evicted is taken for one that never ran."""
    patch.setattr(outcome, "has_report", lambda obj: False)
    return CASES["a Dataset's source is gone when its pod is evicted"]


def _report_imagined(patch: pytest.MonkeyPatch) -> Case:
    """A driver that never ran is waited for without end."""
    patch.setattr(outcome, "has_report", lambda obj: True)
    return CASES["a Dataset's source comes late"]


BUGS: dict[str, tuple[Plant, str]] = {
    "no look at the Dataset": (_no_look_at_the_dataset, "the Job is made before what it reads is there"),
    "the Dataset's volume not mounted": (_dataset_not_mounted, "is gone while a driver reads it"),
    "the Dataset's volume writable": (_dataset_writable, "the driver may write to ds-houses"),
    "a Dataset read too often": (_read_too_often, "at rest with"),
    "a report forgotten": (_report_forgotten, "a driver that has run was said to be unable to start"),
    "a report imagined": (_report_imagined, "at rest with"),
}


@pytest.mark.parametrize(("plant", "found_as"), BUGS.values(), ids=BUGS.keys())
def test_a_planted_bug_is_found(plant: Plant, found_as: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = plant(monkeypatch)
    with pytest.raises(BrokenError, match=found_as):
        explore(scene(case.subject, *case.actions, **case.given), model(case.subject.operator()))
