"""Seeds made of seeds."""

import numpy as np


def derived_seed(*parts: int) -> int:
    """A seed that is as good as independent of those of other parts."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
