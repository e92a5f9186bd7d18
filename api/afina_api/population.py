"""What population based training asks of the rest of a TuningJob's spec."""

from typing import TYPE_CHECKING

from afina_api.algorithm import PBTSettings
from afina_api.base import rule

if TYPE_CHECKING:
    from afina_api.tuningjob import TuningJobSpec

_ONE_OBJECTIVE = "PBT knows one objective only: use NSGAII"
_NO_PRUNING = "PBT ends no trial early: remove pruning"
_NO_REGRET = "acceptableRegret has no meaning with PBT: use maxTrialsWithoutImprovement"
_ON_A_VOLUME = "PBT keeps checkpoints on the job's volume: remove databaseSecretRef"
_ALL_HAVE_WORK = "PBT runs one trial of each member at a time: lower parallelTrials, or raise pbt.populationSize"
_FIRST_OF_EACH = "initialConfigs are the first trials of PBT's members: remove those beyond pbt.populationSize"

_OTHER = "!has(self.algorithm) || self.algorithm.name != 'PBT'"
_SIZE = f"(has(self.algorithm.pbt) ? self.algorithm.pbt.populationSize : {PBTSettings().population_size})"

RULES = (
    rule(f"{_OTHER} || self.objectives.size() == 1", _ONE_OBJECTIVE, field=".algorithm"),
    rule(f"{_OTHER} || !has(self.pruning)", _NO_PRUNING, field=".pruning"),
    rule(
        f"{_OTHER} || !has(self.budget) || !has(self.budget.acceptableRegret)",
        _NO_REGRET,
        field=".budget.acceptableRegret",
    ),
    rule(
        f"{_OTHER} || !has(self.storage) || !has(self.storage.databaseSecretRef)",
        _ON_A_VOLUME,
        field=".storage.databaseSecretRef",
    ),
    rule(
        f"{_OTHER} || !has(self.budget) || self.budget.parallelTrials <= {_SIZE}",
        _ALL_HAVE_WORK,
        field=".budget.parallelTrials",
    ),
    rule(
        f"{_OTHER} || !has(self.initialConfigs) || self.initialConfigs.size() <= {_SIZE}",
        _FIRST_OF_EACH,
        field=".initialConfigs",
    ),
)
"""The same as CEL, on the spec."""


def check_population(spec: "TuningJobSpec") -> None:
    """Refuse what does not go with PBT.

    Raises:
        ValueError: the message says what, and what to do.
    """
    if spec.algorithm.name != "PBT":
        return
    size = (spec.algorithm.pbt or PBTSettings()).population_size
    wrong = {
        _ONE_OBJECTIVE: len(spec.objectives) > 1,
        _NO_PRUNING: spec.pruning is not None,
        _NO_REGRET: spec.budget.acceptable_regret is not None,
        _ON_A_VOLUME: spec.storage.database_secret_ref is not None,
        _ALL_HAVE_WORK: spec.budget.parallel_trials > size,
        _FIRST_OF_EACH: len(spec.initial_configs) > size,
    }
    for why, is_so in wrong.items():
        if is_so:
            raise ValueError(why)
