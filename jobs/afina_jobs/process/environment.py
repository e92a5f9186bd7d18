"""The environment variables of a trial."""

import math
import os
from collections.abc import Mapping
from decimal import Decimal

from afina_api.trial import Trial

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_PRIVATE = ("AFINA_", "KUBERNETES_", "RAY_")
"""The driver's own settings, the database's URL among them, where the API server is, and the key to a Ray cluster."""


def trial_environment(trial: Trial, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What every trial finds: the image's variables, as many threads as it has processors, and the spec's own."""
    env = {name: value for name, value in inherited.items() if not name.startswith(_PRIVATE)}
    env |= dict.fromkeys(_THREADS, str(threads(trial.resources.cpu)))
    return env | {variable.name: variable.value for variable in trial.env}


def threads(cpu: str) -> int:
    """Whole processors that a quantity such as `500m` or `2` comes to, at least one."""
    amount = Decimal(cpu.removesuffix("m")) / 1000 if cpu.endswith("m") else Decimal(cpu)
    return max(1, math.ceil(amount))
