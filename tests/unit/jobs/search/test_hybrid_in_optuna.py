"""HybridSampler in Optuna's own tests of samplers."""

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from afina_jobs.search import HybridSampler


class TestHybridSampler(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    """Those of every sampler, of samplers that see parameters together, and of several objectives."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        """A sampler whose model begins at once."""
        return lambda: HybridSampler(seed=0, startup_trials=0)
