"""One table of TuningJobs that must be refused, read by two doors: the models and the API server."""

import copy
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

GOOD: Json = {
    "apiVersion": "afina.dev/v1alpha1",
    "kind": "TuningJob",
    "metadata": {"name": "good"},
    "spec": {
        "objectives": [{"metric": "rmse", "goal": "Minimize"}],
        "parameters": [
            {"name": "learning_rate", "float": {"min": 0.001, "max": 0.3, "scale": "Log"}},
            {"name": "max_depth", "int": {"min": 2, "max": 12}},
            {"name": "booster", "categorical": {"choices": ["gbtree", "dart"]}},
        ],
        "budget": {"maxTrials": 5, "parallelTrials": 2},
        "trial": {"command": {"argv": ["sh", "train.sh", "--lr=$(params.learning_rate)"]}},
    },
}
"""A TuningJob that every door lets in."""

REMOVE = object()


def changed(base: Json, changes: dict[str, Any]) -> Json:
    """A copy of an object with the values at dotted paths replaced, such as `spec.parameters.0.float`."""
    found = copy.deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split(".")
        node: Any = found
        for key in parents:
            node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
        if value is REMOVE:
            del node[last]
        elif isinstance(node, list):
            node[int(last) :] = [value]
        else:
            node[last] = value
    return found


@dataclass(frozen=True)
class Refused:
    """A change that makes the good object bad, and the words that its refusal must contain."""

    changes: dict[str, Any]
    at: str
    """The field that must be blamed, in the API server's notation below `spec`."""
    says: str
    """Words of the API server's message."""
    model_says: str | None = None
    """Words of the models' message, where they are not the same."""
    model_only: bool = False
    """What CEL cannot say; the operator reports it as InvalidSpec."""


_PARAMETER = "spec.parameters.0"
_FLOAT = {"name": "learning_rate"}

_DROP = {"name": "rate_drop", "float": {"min": 0, "max": 0.5}}
_CONDITION_NAMES = "when must name a categorical or int parameter that stands before"
_CONDITION_VALUES = "when must ask for values that the other parameter can have"

_TWO = [
    {"metric": "rmse", "goal": "Minimize", "target": 0.5},
    {"metric": "latency", "goal": "Minimize", "weight": 0.5},
]

_THREE_BEGINNINGS = [
    {
        "params": [
            {"name": "learning_rate", "value": rate},
            {"name": "max_depth", "value": 3},
            {"name": "booster", "value": "dart"},
        ]
    }
    for rate in (0.01, 0.02, 0.03)
]

REFUSED: dict[str, Refused] = {
    "condition on a parameter that is not there": Refused(
        {"spec.parameters.1.when": [{"parameter": "nothing", "in": [1]}]}, "spec.parameters", _CONDITION_NAMES
    ),
    "condition on a float": Refused(
        {"spec.parameters.1.when": [{"parameter": "learning_rate", "in": [1]}]}, "spec.parameters", _CONDITION_NAMES
    ),
    "condition on oneself": Refused(
        {"spec.parameters.1.when": [{"parameter": "max_depth", "in": [3]}]}, "spec.parameters", _CONDITION_NAMES
    ),
    "condition on a parameter that comes after": Refused(
        {"spec.parameters.1.when": [{"parameter": "booster", "in": ["dart"]}]}, "spec.parameters", _CONDITION_NAMES
    ),
    "condition on a choice that is not there": Refused(
        {"spec.parameters.3": _DROP | {"when": [{"parameter": "booster", "in": ["dart", "gblinear"]}]}},
        "spec.parameters",
        _CONDITION_VALUES,
    ),
    "condition on an int out of range": Refused(
        {"spec.parameters.3": _DROP | {"when": [{"parameter": "max_depth", "in": [13]}]}},
        "spec.parameters",
        _CONDITION_VALUES,
    ),
    "condition on an int in words": Refused(
        {"spec.parameters.3": _DROP | {"when": [{"parameter": "max_depth", "in": ["3"]}]}},
        "spec.parameters",
        _CONDITION_VALUES,
    ),
    "condition without values": Refused(
        {"spec.parameters.3": _DROP | {"when": [{"parameter": "booster", "in": []}]}},
        "spec.parameters[3].when[0].in",
        "at least 1",
    ),
    "warm start of TPE": Refused(
        {"spec.warmStartFrom": [{"mlflowExperiment": "earlier"}]},
        "spec.warmStartFrom",
        "warmStartFrom needs algorithm.name Hybrid",
    ),
    "warm start from nothing": Refused(
        {"spec.warmStartFrom": [{}], "spec.algorithm": {"name": "Hybrid"}},
        "spec.warmStartFrom[0]",
        "an earlier search is exactly one of tuningJobRef or mlflowExperiment",
    ),
    "given trials before a grid": Refused(
        {
            "spec.initialConfigs": [{"params": [{"name": "max_depth", "value": 3}]}],
            "spec.algorithm": {"name": "Grid"},
            f"{_PARAMETER}.float": {"min": 0, "max": 1, "step": 0.25},
        },
        "spec.initialConfigs",
        "Grid tries every combination: remove initialConfigs",
    ),
    "given trial that is not of the space": Refused(
        {"spec.initialConfigs": [{"params": [{"name": "max_depth", "value": 3}]}]},
        "spec",
        "initialConfigs: a value for learning_rate is missing",
        model_only=True,
    ),
    "Hybrid's settings under another name": Refused(
        {"spec.algorithm": {"name": "TPE", "hybrid": {}}},
        "spec.algorithm.hybrid",
        "hybrid holds the settings of Hybrid only",
    ),
    "constraint on nothing": Refused(
        {"spec.constraints": [{"name": "small"}]}, "spec.constraints[0]", "a constraint is either an expression, or"
    ),
    "constraint on parameters and a metric": Refused(
        {"spec.constraints": [{"name": "small", "expression": "max_depth < 9", "metric": "size", "max": 1}]},
        "spec.constraints[0]",
        "a constraint is either an expression, or",
    ),
    "constraint on a metric without a limit": Refused(
        {"spec.constraints": [{"name": "small", "metric": "size"}]},
        "spec.constraints[0]",
        "a constraint is either an expression, or",
    ),
    "constraint upside down": Refused(
        {"spec.constraints": [{"name": "small", "metric": "size", "min": 2, "max": 1}]},
        "spec.constraints[0].max",
        "min must not be above max",
    ),
    "two constraints of one name": Refused(
        {"spec.constraints": [{"name": "small", "metric": "size", "max": 1}] * 2},
        "spec.constraints[1]",
        "Duplicate value",
        "small",
    ),
    "constraint that is no expression": Refused(
        {"spec.constraints": [{"name": "small", "expression": "max_depth <"}]},
        "spec.constraints",
        "is not a Python expression",
        model_only=True,
    ),
    "constraint on a parameter that is not there": Refused(
        {"spec.constraints": [{"name": "small", "expression": "depth < 9"}]},
        "spec.constraints",
        "constraint small: depth: no such parameter",
        model_only=True,
    ),
    "unknown field in the spec": Refused({"spec.budgets": {}}, "spec.budgets", "unknown field", "Extra inputs"),
    "unknown field in a range": Refused(
        {f"{_PARAMETER}.float.maximum": 1}, "spec.parameters[0].float.maximum", "unknown field", "Extra inputs"
    ),
    "no objective": Refused({"spec.objectives": []}, "spec.objectives", "at least 1", "at least 1"),
    "five objectives": Refused(
        {"spec.objectives": [{"metric": m, "goal": "Minimize"} for m in "abcde"]}, "spec.objectives", "at most 4"
    ),
    "two objectives of one metric": Refused(
        {"spec.objectives": [{"metric": "rmse", "goal": "Minimize"}, {"metric": "rmse", "goal": "Maximize"}]},
        "spec.objectives[1]",
        "Duplicate value",
        "'rmse' is there twice",
    ),
    "objective that counts for nothing": Refused(
        {"spec.objectives.0": {"metric": "rmse", "goal": "Minimize", "weight": 0}},
        "spec.objectives[0].weight",
        "should be greater than 0",
        "greater than 0",
    ),
    "CmaEs for two objectives": Refused(
        {"spec.objectives": _TWO, "spec.algorithm": {"name": "CmaEs"}},
        "spec.algorithm",
        "CmaEs knows one objective only: use Hybrid, TPE or NSGAII",
    ),
    "a regret of two objectives": Refused(
        {"spec.objectives": _TWO, "spec.budget.acceptableRegret": 0.1},
        "spec.budget.acceptableRegret",
        "acceptableRegret is of one objective only: use maxTrialsWithoutImprovement",
    ),
    "halving for two objectives": Refused(
        {"spec.objectives": _TWO, "spec.pruning": {"name": "SuccessiveHalving"}},
        "spec.pruning",
        "SuccessiveHalving, Hyperband, Threshold know one objective only: use Median, Percentile or Wilcoxon",
    ),
    "Patient of Hyperband for two objectives": Refused(
        {
            "spec.objectives": _TWO,
            "spec.pruning": {"name": "Patient", "patient": {"patience": 1, "pruner": {"name": "Hyperband"}}},
        },
        "spec.pruning",
        "SuccessiveHalving, Hyperband, Threshold know one objective only: use Median, Percentile or Wilcoxon",
    ),
    "a delta of two objectives": Refused(
        {"spec.objectives": _TWO, "spec.pruning": {"name": "Patient", "patient": {"patience": 1, "minDelta": 0.1}}},
        "spec.pruning.patient.minDelta",
        "minDelta is of one objective only: remove it",
    ),
    "goal in other words": Refused(
        {"spec.objectives.0": {"metric": "rmse", "goal": "minimize"}},
        "spec.objectives[0].goal",
        'supported values: "Minimize", "Maximize"',
        "'Minimize' or 'Maximize'",
    ),
    "no parameters": Refused({"spec.parameters": []}, "spec.parameters", "at least 1"),
    "200 parameters": Refused(
        {"spec.parameters": [{"name": f"p{n}", "int": {"min": 0, "max": 9}} for n in range(200)]},
        "spec.parameters",
        "at most 100",
    ),
    "range upside down": Refused(
        {f"{_PARAMETER}.float": {"min": 1, "max": 0.1}}, "spec.parameters[0].float", "min must be less than max"
    ),
    "range of one point": Refused(
        {"spec.parameters.1.int": {"min": 3, "max": 3}}, "spec.parameters[1].int", "min must be less than max"
    ),
    "log from zero": Refused(
        {f"{_PARAMETER}.float": {"min": 0, "max": 1, "scale": "Log"}},
        "spec.parameters[0].float",
        "min must be greater than 0 where scale is Log",
    ),
    "log of an int from below zero": Refused(
        {"spec.parameters.1.int": {"min": -4, "max": 1, "scale": "Log"}},
        "spec.parameters[1].int",
        "min must be greater than 0 where scale is Log",
    ),
    "log with a step": Refused(
        {f"{_PARAMETER}.float": {"min": 1, "max": 9, "scale": "Log", "step": 2}},
        "spec.parameters[0].float",
        "step has no meaning where scale is Log",
    ),
    "step larger than the range": Refused(
        {"spec.parameters.1.int": {"min": 1, "max": 9, "step": 10}},
        "spec.parameters[1].int",
        "step must fit between min and max",
    ),
    "step of zero": Refused(
        {f"{_PARAMETER}.float": {"min": 1, "max": 9, "step": 0}},
        "spec.parameters[0].float.step",
        "should be greater than 0",
        "greater than 0",
    ),
    "fraction as a bound of an int": Refused(
        {"spec.parameters.1.int": {"min": 1.5, "max": 9}},
        "spec.parameters[1].int.min",
        "must be of type integer",
        "integer",
    ),
    "text as a bound": Refused(
        {f"{_PARAMETER}.float": {"min": "low", "max": 9}},
        "spec.parameters[0].float.min",
        "must be of type number",
        "valid number",
    ),
    "scale that does not exist": Refused(
        {f"{_PARAMETER}.float": {"min": 1, "max": 9, "scale": "log10"}},
        "spec.parameters[0].float.scale",
        'supported values: "Linear", "Log"',
        "'Linear' or 'Log'",
    ),
    "parameter of no kind": Refused(
        {_PARAMETER: {"name": "x"}}, "spec.parameters[0]", "exactly one of float, int or categorical"
    ),
    "parameter of two kinds": Refused(
        {_PARAMETER: {"name": "x", "int": {"min": 0, "max": 1}, "categorical": {"choices": ["a"]}}},
        "spec.parameters[0]",
        "exactly one of float, int or categorical",
    ),
    "duplicate parameter names": Refused(
        {"spec.parameters.1.name": "learning_rate"},
        "spec.parameters[1]",
        "Duplicate value",
        "'learning_rate' is there twice",
    ),
    "parameter name with a space": Refused(
        {f"{_PARAMETER}.name": "learning rate"}, "spec.parameters[0].name", "should match", "should match"
    ),
    "duplicate choices": Refused(
        {"spec.parameters.2.categorical.choices": ["a", "a"]},
        "spec.parameters[2].categorical.choices[1]",
        "Duplicate value",
        "'a' is there twice",
    ),
    "choice that is a fraction": Refused(
        {"spec.parameters.2.categorical.choices": [0.5]},
        "spec.parameters[2].categorical.choices[0]",
        "integer",
        "valid integer",
    ),
    "a string of 1 MB": Refused(
        {"spec.parameters.2.categorical.choices": ["x" * 1_000_000]},
        "spec.parameters[2].categorical.choices[0]",
        "Too long",
        "at most 256",
    ),
    "algorithm that does not exist": Refused(
        {"spec.algorithm": {"name": "Magic"}}, "spec.algorithm.name", 'supported values: "TPE"', "'TPE'"
    ),
    "TPE's settings on Random": Refused(
        {"spec.algorithm": {"name": "Random", "tpe": {"candidates": 9}}},
        "spec.algorithm",
        "tpe holds the settings of TPE only: remove it",
    ),
    "settings of two algorithms": Refused(
        {"spec.algorithm": {"name": "CmaEs", "cmaEs": {}, "nsgaii": {}}},
        "spec.algorithm",
        "nsgaii holds the settings of NSGAII only",
    ),
    "settings without the name of their algorithm": Refused(
        {"spec.algorithm": {"qmc": {"scramble": True}}}, "spec.algorithm", "qmc holds the settings of QMC only"
    ),
    "setting of another algorithm": Refused(
        {"spec.algorithm": {"name": "GP", "gp": {"candidates": 9}}},
        "spec.algorithm.gp.candidates",
        "unknown field",
        "Extra inputs",
    ),
    "population of one": Refused(
        {"spec.algorithm": {"name": "NSGAII", "nsgaii": {"populationSize": 1}}},
        "spec.algorithm.nsgaii.populationSize",
        "greater than or equal to 2",
    ),
    "CmaEs over categories": Refused(
        {
            "spec.algorithm": {"name": "CmaEs"},
            "spec.parameters": [{"name": "learning_rate", "categorical": {"choices": ["a", "b"]}}],
        },
        "spec.parameters",
        "CmaEs needs a float or int parameter: use TPE",
    ),
    "PBT of two objectives": Refused(
        {"spec.algorithm": {"name": "PBT"}, "spec.objectives": _TWO},
        "spec.algorithm",
        "PBT knows one objective only: use NSGAII",
    ),
    "PBT that prunes": Refused(
        {"spec.algorithm": {"name": "PBT"}, "spec.pruning": {"name": "Median"}},
        "spec.pruning",
        "PBT ends no trial early: remove pruning",
    ),
    "PBT that knows its regret": Refused(
        {"spec.algorithm": {"name": "PBT"}, "spec.budget.acceptableRegret": 0.1},
        "spec.budget.acceptableRegret",
        "acceptableRegret has no meaning with PBT: use maxTrialsWithoutImprovement",
    ),
    "PBT without a volume": Refused(
        {"spec.algorithm": {"name": "PBT"}, "spec.storage": {"databaseSecretRef": {"name": "db"}}},
        "spec.storage.databaseSecretRef",
        "PBT keeps checkpoints on the job's volume: remove databaseSecretRef",
    ),
    "PBT of fewer members than trials at a time": Refused(
        {"spec.algorithm": {"name": "PBT"}, "spec.budget.parallelTrials": 9},
        "spec.budget.parallelTrials",
        "PBT runs one trial of each member at a time: lower parallelTrials, or raise pbt.populationSize",
    ),
    "PBT with more beginnings than members": Refused(
        {"spec.algorithm": {"name": "PBT", "pbt": {"populationSize": 2}}, "spec.initialConfigs": _THREE_BEGINNINGS},
        "spec.initialConfigs",
        "initialConfigs are the first trials of PBT's members: remove those beyond pbt.populationSize",
    ),
    "PBT in which more than half are the worst": Refused(
        {"spec.algorithm": {"name": "PBT", "pbt": {"quantileFraction": 0.6}}},
        "spec.algorithm.pbt.quantileFraction",
        "less than or equal to 0.5",
    ),
    "PBT of one": Refused(
        {"spec.algorithm": {"name": "PBT", "pbt": {"populationSize": 1}}},
        "spec.algorithm.pbt.populationSize",
        "greater than or equal to 2",
    ),
    "pruning's settings on another": Refused(
        {"spec.pruning": {"name": "Median", "wilcoxon": {}}},
        "spec.pruning",
        "wilcoxon holds the settings of Wilcoxon only: remove it",
    ),
    "Percentile of nothing": Refused(
        {"spec.pruning": {"name": "Percentile"}}, "spec.pruning", "Percentile needs its settings in percentile"
    ),
    "percentile beyond 100": Refused(
        {"spec.pruning": {"name": "Percentile", "percentile": {"percentile": 101}}},
        "spec.pruning.percentile.percentile",
        "less than or equal to 100",
    ),
    "Threshold without a bound": Refused(
        {"spec.pruning": {"name": "Threshold", "threshold": {}}},
        "spec.pruning.threshold",
        "Threshold needs lower, upper or both",
    ),
    "Threshold upside down": Refused(
        {"spec.pruning": {"name": "Threshold", "threshold": {"lower": 2, "upper": 2}}},
        "spec.pruning.threshold",
        "lower must be less than upper",
    ),
    "Hyperband upside down": Refused(
        {"spec.pruning": {"name": "Hyperband", "hyperband": {"minResource": 9, "maxResource": 9}}},
        "spec.pruning.hyperband",
        "minResource must be less than maxResource",
    ),
    "Hyperband that waits for a rung it does not know": Refused(
        {"spec.pruning": {"name": "Hyperband", "hyperband": {"bootstrapCount": 2}}},
        "spec.pruning.hyperband",
        "bootstrapCount needs maxResource",
    ),
    "SuccessiveHalving that waits for a rung it does not know": Refused(
        {"spec.pruning": {"name": "SuccessiveHalving", "successiveHalving": {"bootstrapCount": 2}}},
        "spec.pruning.successiveHalving",
        "bootstrapCount needs minResource",
    ),
    "Wilcoxon that is never sure": Refused(
        {"spec.pruning": {"name": "Wilcoxon", "wilcoxon": {"pThreshold": 0}}},
        "spec.pruning.wilcoxon.pThreshold",
        "should be greater than 0",
        "greater than 0",
    ),
    "Patient without patience": Refused(
        {"spec.pruning": {"name": "Patient"}}, "spec.pruning", "Patient needs its settings in patient"
    ),
    "Patient of a Patient": Refused(
        {"spec.pruning": {"name": "Patient", "patient": {"patience": 1, "pruner": {"name": "Patient"}}}},
        "spec.pruning.patient.pruner.name",
        'supported values: "Median"',
        "'Median'",
    ),
    "Patient of settings that are another's": Refused(
        {
            "spec.pruning": {
                "name": "Patient",
                "patient": {"patience": 1, "pruner": {"name": "Median", "hyperband": {}}},
            }
        },
        "spec.pruning.patient.pruner",
        "hyperband holds the settings of Hyperband only",
    ),
    "Grid over a continuous float": Refused(
        {"spec.algorithm": {"name": "Grid"}}, "spec.parameters", "Grid needs a step on every float parameter"
    ),
    "Grid of a trillion combinations": Refused(
        {
            "spec.algorithm": {"name": "Grid"},
            "spec.parameters": [{"name": f"p{n}", "int": {"min": 1, "max": 1000}} for n in range(4)],
        },
        "spec",
        "",
        "combinations, more than 100000",
        model_only=True,
    ),
    "no trials": Refused(
        {"spec.budget.maxTrials": 0},
        "spec.budget.maxTrials",
        "greater than or equal to 1",
        "greater than or equal to 1",
    ),
    "no trial at a time": Refused(
        {"spec.budget.parallelTrials": 0}, "spec.budget.parallelTrials", "greater than or equal to 1"
    ),
    "timeout of no time": Refused(
        {"spec.budget.timeoutSeconds": 0}, "spec.budget.timeoutSeconds", "greater than or equal to 1"
    ),
    "patience of no trial": Refused(
        {"spec.budget.maxTrialsWithoutImprovement": 0},
        "spec.budget.maxTrialsWithoutImprovement",
        "greater than or equal to 1",
    ),
    "regret of nothing": Refused(
        {"spec.budget.acceptableRegret": 0},
        "spec.budget.acceptableRegret",
        "should be greater than 0",
        "greater than 0",
    ),
    "no way to run a trial": Refused(
        {"spec.trial.command": REMOVE}, "spec.trial", "exactly one of python, command or builtin"
    ),
    "two ways to run a trial": Refused(
        {"spec.trial.python": {"entrypoint": "train:objective"}},
        "spec.trial",
        "exactly one of python, command or builtin",
    ),
    "entrypoint without a function": Refused(
        {"spec.trial": {"python": {"entrypoint": "train.py"}}}, "spec.trial.python.entrypoint", "should match"
    ),
    "builtin that does not exist": Refused(
        {"spec.trial": {"builtin": {"name": "magic"}}},
        "spec.trial.builtin.name",
        'supported values: "xgboost-cv"',
        "xgboost-cv",
    ),
    "empty command": Refused({"spec.trial.command.argv": []}, "spec.trial.command.argv", "at least 1"),
    "placeholder of no parameter": Refused(
        {"spec.trial.command.argv": ["sh", "$(params.depth)"]},
        "spec",
        "spec.trial.command.argv: $(params.NAME) must name a parameter of the spec",
        "$(params.depth): $(params.NAME) must name a parameter of the spec: learning_rate, max_depth, booster",
    ),
    "image with a space": Refused({"spec.trial.image": "my image"}, "spec.trial.image", "should match"),
    "duplicate environment variables": Refused(
        {"spec.trial.env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        "spec.trial.env[1]",
        "Duplicate value",
        "'A' is there twice",
    ),
    "Afina's own environment variable": Refused(
        {"spec.trial.env": [{"name": "AFINA_SPEC", "value": "1"}]},
        "spec.trial.env[0]",
        "names that begin with AFINA_ are Afina's own",
    ),
    "memory that is no quantity": Refused(
        {"spec.trial.resources.memory": "lots"}, "spec.trial.resources.memory", "should match"
    ),
    "negative GPUs": Refused(
        {"spec.trial.resources.gpu": -1}, "spec.trial.resources.gpu", "greater than or equal to 0"
    ),
    "two storages": Refused(
        {"spec.storage": {"volume": {}, "databaseSecretRef": {"name": "db"}}},
        "spec.storage",
        "one of volume or databaseSecretRef",
    ),
    "service account by the back door": Refused(
        {"spec.trial.serviceAccountName": "admin"}, "spec.trial.serviceAccountName", "unknown field", "Extra inputs"
    ),
    "name of 64 characters": Refused(
        {"metadata.name": "a" * 64}, "", "the name may have at most 63 characters", "at most 63"
    ),
    "workers without Ray": Refused(
        {"spec.execution": {"engine": "Process", "workers": 1}},
        "spec.execution.workers",
        "workers need the engine RayTune: set engine to RayTune or Auto, or workers to 0",
    ),
    "more workers than trials": Refused(
        {"spec.execution": {"workers": 3}},
        "spec.execution.workers",
        "execution.workers must not be more than budget.parallelTrials",
    ),
    "a fraction of a GPU without Ray": Refused(
        {"spec.execution": {"engine": "Process"}, "spec.trial.resources": {"gpu": 0.5}},
        "spec.trial.resources.gpu",
        "a fraction of a gpu needs the engine RayTune",
    ),
    "one GPU and a half": Refused(
        {"spec.trial.resources": {"gpu": 1.5}},
        "spec.trial.resources.gpu",
        "gpu is a whole number, or a fraction below 1 of a GPU that several trials share",
    ),
    "a type of no GPU": Refused(
        {"spec.trial.resources": {"gpuType": "A100"}},
        "spec.trial.resources.gpuType",
        "gpuType has no meaning without a gpu",
    ),
}

ACCEPTED: dict[str, dict[str, Any]] = {
    "as it is": {},
    "name of 63 characters": {"metadata.name": "a" * 63},
    "negative range": {f"{_PARAMETER}.float": {"min": -2, "max": -1}},
    "step": {"spec.parameters.1.int": {"min": 2, "max": 12, "step": 5}},
    "numbers as choices": {"spec.parameters.2.categorical.choices": [16, 32, "sixty-four"]},
    "100 parameters": {
        "spec.parameters": [{"name": f"p{n}", "int": {"min": 0, "max": 9}} for n in range(100)],
        "spec.trial.command.argv": ["true"],
    },
    "conditions, one upon another": {
        "spec.parameters.3": _DROP | {"when": [{"parameter": "booster", "in": ["dart"]}]},
        "spec.parameters.4": {
            "name": "deep",
            "int": {"min": 1, "max": 4},
            "when": [{"parameter": "max_depth", "in": [11, 12]}],
        },
        "spec.parameters.5": {
            "name": "skip_drop",
            "float": {"min": 0, "max": 1},
            "when": [{"parameter": "deep", "in": [1, 2]}, {"parameter": "booster", "in": ["dart", "gbtree"]}],
        },
    },
    "Hybrid that knows something": {
        "spec.algorithm": {"name": "Hybrid", "hybrid": {"startupTrials": 4}},
        "spec.warmStartFrom": [{"tuningJobRef": {"name": "earlier"}}, {"mlflowExperiment": "a-team/an older one"}],
        "spec.initialConfigs": [
            {
                "params": [
                    {"name": "learning_rate", "value": 0.1},
                    {"name": "max_depth", "value": 3},
                    {"name": "booster", "value": "dart"},
                ]
            }
        ],
    },
    "constraints": {
        "spec.constraints": [
            {"name": "steady", "expression": "learning_rate * max_depth <= 1 or booster == 'dart'"},
            {"name": "latency", "metric": "p95_ms", "max": 50},
            {"name": "recall", "metric": "recall", "min": 0.5, "max": 0.5},
        ]
    },
    "placeholders": {"spec.trial.command.argv": ["sh", "-c", "$(params.max_depth) $(params.booster) $(date)"]},
    "two objectives": {"spec.objectives": _TWO, "spec.budget.maxTrialsWithoutImprovement": 5},
    "two objectives and pruning": {
        "spec.objectives": _TWO,
        "spec.pruning": {"name": "Patient", "patient": {"patience": 1, "pruner": {"name": "Wilcoxon"}}},
    },
    "four objectives": {"spec.objectives": [{"metric": m, "goal": "Minimize"} for m in "abcd"]},
    "CmaEs over some numbers": {"spec.algorithm": {"name": "CmaEs"}},
    "Grid over steps": {"spec.algorithm": {"name": "Grid"}, f"{_PARAMETER}.float": {"min": 0, "max": 1, "step": 0.25}},
    "TPE's settings": {
        "spec.algorithm": {"seed": 7, "tpe": {"startupTrials": 5, "candidates": 9, "multivariate": False}}
    },
    "GP's settings": {"spec.algorithm": {"name": "GP", "gp": {"startupTrials": 5, "deterministic": True}}},
    "CmaEs' settings": {
        "spec.algorithm": {
            "name": "CmaEs",
            "cmaEs": {"startupTrials": 2, "populationSize": 6, "variant": "Separable", "considerPrunedTrials": True},
        }
    },
    "NSGAII's settings": {
        "spec.algorithm": {
            "name": "NSGAII",
            "nsgaii": {
                "populationSize": 10,
                "mutationProbability": 0.1,
                "crossoverProbability": 1,
                "swappingProbability": 0,
            },
        }
    },
    "NSGAIII's settings": {
        "spec.algorithm": {"name": "NSGAIII", "nsgaiii": {"populationSize": 10, "dividingParameter": 4}}
    },
    "QMC's settings": {"spec.algorithm": {"name": "QMC", "qmc": {"sequence": "Halton", "scramble": True}}},
    "PBT as it is": {"spec.algorithm": {"name": "PBT"}, "spec.budget.parallelTrials": 8},
    "PBT's settings": {
        "spec.algorithm": {
            "name": "PBT",
            "pbt": {"populationSize": 16, "quantileFraction": 0, "resampleProbability": 0},
        },
        "spec.budget.parallelTrials": 16,
        "spec.initialConfigs": _THREE_BEGINNINGS,
    },
    "Median's settings": {
        "spec.pruning": {
            "name": "Median",
            "median": {"startupTrials": 0, "warmupSteps": 3, "intervalSteps": 2, "minTrials": 2},
        }
    },
    "Percentile": {"spec.pruning": {"name": "Percentile", "percentile": {"percentile": 25}}},
    "SuccessiveHalving from a step": {
        "spec.pruning": {"name": "SuccessiveHalving", "successiveHalving": {"minResource": 2, "bootstrapCount": 2}}
    },
    "Hyperband to a step": {"spec.pruning": {"name": "Hyperband", "hyperband": {"maxResource": 81}}},
    "Wilcoxon": {"spec.pruning": {"name": "Wilcoxon", "wilcoxon": {"pThreshold": 0.05, "startupSteps": 3}}},
    "Threshold": {"spec.pruning": {"name": "Threshold", "threshold": {"upper": 10, "warmupSteps": 1}}},
    "Patient": {"spec.pruning": {"name": "Patient", "patient": {"patience": 3}}},
    "Patient of Percentile": {
        "spec.pruning": {
            "name": "Patient",
            "patient": {
                "patience": 3,
                "minDelta": 0.01,
                "pruner": {"name": "Percentile", "percentile": {"percentile": 75}},
            },
        }
    },
    "budget that ends early": {"spec.budget": {"maxTrialsWithoutImprovement": 10, "acceptableRegret": 0.001}},
    "python objective": {"spec.trial": {"python": {"entrypoint": "package.train:objective"}}},
    "builtin objective": {"spec.trial": {"builtin": {"name": "xgboost-cv", "config": {"dataset": "wine", "folds": 3}}}},
    "processors as a number": {"spec.trial.resources": {"cpu": 1, "memory": "2Gi", "gpu": 1}},
    "a GPU by its type": {"spec.trial.resources": {"gpu": 1, "gpuType": "NVIDIA-H100-80GB-HBM3"}},
    "trials that share a GPU": {"spec.trial.resources": {"gpu": 0.5}},
    "Ray in the driver's pod": {"spec.execution": {"engine": "RayTune"}},
    "workers": {"spec.execution": {"workers": 2}},
    "database": {"spec.storage": {"databaseSecretRef": {"name": "db"}}},
}
