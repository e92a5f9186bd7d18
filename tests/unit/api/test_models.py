"""The models refuse what the API server refuses, and say why."""

import pytest
from pydantic import ValidationError

from afina_api.automljob import AutoMLJob
from afina_api.base import Model, as_json
from afina_api.dataset import Dataset
from afina_api.modeldeployment import ModelDeployment
from afina_api.parameters import Parameter
from afina_api.reasons import AutoMLReason, DatasetReason, Reason, RetryReason, TrialReason
from afina_api.tuningjob import TuningJob
from support.data_specs import ACCEPTED_DATA, REFUSED_DATA
from support.serving_specs import ACCEPTED_SERVING, REFUSED_SERVING
from support.specs import ACCEPTED, GOOD, REFUSED, Json, Refused, changed


def _normalised(location: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


MODELS: dict[str, type[Model]] = {
    "TuningJob": TuningJob,
    "Dataset": Dataset,
    "AutoMLJob": AutoMLJob,
    "ModelDeployment": ModelDeployment,
}
ALL_REFUSED = {name: (GOOD, case) for name, case in REFUSED.items()} | REFUSED_DATA | REFUSED_SERVING
ALL_ACCEPTED = ACCEPTED_DATA | ACCEPTED_SERVING


@pytest.mark.parametrize(("good", "case"), ALL_REFUSED.values(), ids=ALL_REFUSED.keys())
def test_models_refuse(good: Json, case: Refused) -> None:
    with pytest.raises(ValidationError) as refusal:
        MODELS[good["kind"]].model_validate(changed(good, case.changes))
    errors = [(_normalised(error["loc"]), error["msg"]) for error in refusal.value.errors()]
    says = case.model_says or case.says
    # A rule over several items is blamed on their list, where the API server can name the item.
    assert any(
        says in message and (path.startswith(case.at) or case.at.startswith(path)) for path, message in errors
    ), errors


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_models_accept(changes: dict[str, object]) -> None:
    job = TuningJob.model_validate(changed(GOOD, changes))
    assert TuningJob.model_validate(as_json(job)) == job


@pytest.mark.parametrize("good", ALL_ACCEPTED.values(), ids=ALL_ACCEPTED.keys())
def test_models_accept_other_kinds(good: Json) -> None:
    model = MODELS[good["kind"]]
    found = model.model_validate(good)
    assert model.model_validate(as_json(found)) == found


def test_defaults_are_the_documented_ones() -> None:
    spec = TuningJob.model_validate(GOOD).spec
    assert spec.algorithm.name == "TPE"
    assert (spec.budget.max_failed_trials, spec.budget.timeout_seconds) == (3, None)
    assert as_json(spec.trial.resources) == {"cpu": "500m", "memory": "1Gi", "gpu": 0}
    assert spec.suspend is False


@pytest.mark.parametrize(
    ("parameter", "size"),
    [
        ({"int": {"min": 1, "max": 10}}, 10),
        ({"int": {"min": 1, "max": 10, "step": 4}}, 3),
        ({"float": {"min": 0, "max": 0.3, "step": 0.1}}, 4),
        ({"categorical": {"choices": ["a", "b"]}}, 2),
        ({"float": {"min": 0, "max": 1}}, float("inf")),
    ],
)
def test_grid_size(parameter: dict[str, object], size: float) -> None:
    assert Parameter.model_validate({"name": "x", **parameter}).grid_size() == size


def test_every_reason_has_a_meaning() -> None:
    for reasons in (Reason, DatasetReason, AutoMLReason):
        assert all(reason.meaning.startswith(("True: ", "False: ", "Unknown: ")) for reason in reasons)
    assert all(reason.meaning.endswith(".") for reason in (*TrialReason, *RetryReason))
