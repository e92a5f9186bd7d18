"""Which modules of tests begin."""

from collections.abc import Sequence

import pytest


def begin_with(modules: Sequence[str], items: list[pytest.Item]) -> None:
    """Put the tests of these modules first, in this order; the others stay as they are."""
    places = {name: place for place, name in enumerate(modules)}
    items.sort(key=lambda item: places.get(item.path.stem, len(modules)))
