"""In which bin a prediction falls: so few bins that their counts can be kept for ever and compared."""

import math
from collections import Counter
from collections.abc import Iterable

_ACCURACY = 0.05
"""Relative: half the width of a bin."""
_GAMMA = (1 + _ACCURACY) / (1 - _ACCURACY)
_SMALLEST, _GREATEST = 1e-9, 1e9
"""Nearer to 0 is 0; farther away is the last bin."""


def bins(values: Iterable[float]) -> Counter[str]:
    """How many numbers fall into each bin, by the bin's bound that is farther from 0.

    The bins are those of DDSketch (Masson, Rim and Lee, DDSketch: a fast and fully-mergeable quantile sketch with
    relative-error guarantees, VLDB 2019): powers of gamma, the same for everybody, so that counts of different servers
    can be added. There are less than 900.
    """
    return Counter(map(_bin, values))


def _bin(value: float) -> str:
    size = min(abs(value), _GREATEST)
    if size < _SMALLEST:
        return "0"
    bound = _GAMMA ** math.ceil(math.log(size, _GAMMA))
    return f"{math.copysign(bound, value):.3g}"
