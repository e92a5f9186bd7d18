"""The reference in docs/ is the one the models make."""

from pathlib import Path

import pytest

from afina_api.crd import KINDS, Kind
from afina_api.reasons import (
    AutoMLReason,
    DatasetReason,
    Documented,
    Reason,
    RejectReason,
    RetryReason,
    ServingReason,
    TrialReason,
)
from afina_api.reference import page

REFERENCE = Path(__file__).parents[3] / "docs/reference"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_reference_is_up_to_date(kind: Kind) -> None:
    assert (REFERENCE / f"{kind.name.lower()}.md").read_text() == page(kind), "run `make docs`"


@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        ("tuningjob", Reason),
        ("tuningjob", TrialReason),
        ("tuningjob", RetryReason),
        ("dataset", DatasetReason),
        ("dataset", RejectReason),
        ("automljob", AutoMLReason),
        ("modeldeployment", ServingReason),
    ],
)
def test_every_reason_of_a_kind_is_explained_on_its_page(kind: str, reasons: type[Documented]) -> None:
    text = (REFERENCE / f"{kind}.md").read_text()
    for reason in reasons:
        assert f"| `{reason}` | {reason.meaning} |" in text
