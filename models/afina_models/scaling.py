"""Features for models that want them complete and of one scale: linear ones and neural networks."""

from dataclasses import dataclass

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
        missing = np.isnan(features)
        filled = np.where(missing, np.asarray(self.medians), features)
        scaled = (filled - np.asarray(self.means)) / np.asarray(self.scales)
        scaled = np.clip(scaled, -_FARTHEST, _FARTHEST)
        return np.hstack([scaled, missing[:, self.flagged]]).astype(np.float32)
