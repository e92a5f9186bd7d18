"""Features for models that want them complete and of one scale: linear ones and neural networks."""

import warnings
from dataclasses import dataclass

import numpy as np

from afina_jobs.automl.problem import Array

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

    @classmethod
    def fit(cls, features: Array) -> "Scaling":
        """Learn from the training rows."""
        missing = np.isnan(features)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a feature that is missing everywhere
            medians = np.nan_to_num(np.nanmedian(features, axis=0))
        filled = np.where(missing, medians, features).astype(float)
        scales = filled.std(axis=0)
        scales[scales == 0] = 1.0
        flagged = np.flatnonzero(missing.any(axis=0))
        return cls(medians.tolist(), filled.mean(axis=0).tolist(), scales.tolist(), flagged.tolist())

    def transform(self, features: Array) -> Array:
        """Complete and standardised features, and then the flags."""
        missing = np.isnan(features)
        filled = np.where(missing, np.asarray(self.medians), features)
        scaled = (filled - np.asarray(self.means)) / np.asarray(self.scales)
        scaled = np.clip(scaled, -_FARTHEST, _FARTHEST)
        return np.hstack([scaled, missing[:, self.flagged]]).astype(np.float32)
