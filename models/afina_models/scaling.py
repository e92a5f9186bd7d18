"""Features for models that want them complete and of one scale: linear ones and neural networks."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from afina_models.arrays import Array

_FARTHEST = 10.0
"""Standard deviations beyond which a value is cut, lest one row decide."""


@dataclass(frozen=True)
class Scaling:
    """Missing values become the median, with a flag beside them; then all is standardised."""

    medians: list[float]
    means: list[float]
    scales: list[float]
    flagged: list[int]
    """Features that had missing values."""

    def transform(self, features: Array) -> Array:
        """Complete and standardised features, and then the flags."""
        medians, means, scales = self._arrays
        missing = np.isnan(features)
        scaled = (np.where(missing, medians, features) - means) / scales
        # Not clip: of one row it takes as long as all else here.
        scaled = np.minimum(np.maximum(scaled, -_FARTHEST), _FARTHEST)
        return np.concatenate([scaled, missing[:, self.flagged]], axis=1).astype(np.float32)

    @cached_property
    def _arrays(self) -> tuple[Array, Array, Array]:
        return np.array(self.medians), np.array(self.means), np.array(self.scales)
