"""The reference in docs/ is the one the models make."""

from pathlib import Path

import pytest

from afina_api.crd import KINDS, Kind
from afina_api.reference import page

REFERENCE = Path(__file__).parents[3] / "docs/reference"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_reference_is_up_to_date(kind: Kind) -> None:
    assert (REFERENCE / f"{kind.name.lower()}.md").read_text() == page(kind), "run `make docs`"
