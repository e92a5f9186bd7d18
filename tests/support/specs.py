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

REFUSED: dict[str, Refused] = {
    "unknown field in the spec": Refused({"spec.budgets": {}}, "spec.budgets", "unknown field", "Extra inputs"),
    "unknown field in a range": Refused(
        {f"{_PARAMETER}.float.maximum": 1}, "spec.parameters[0].float.maximum", "unknown field", "Extra inputs"
    ),
    "no objective": Refused({"spec.objectives": []}, "spec.objectives", "at least 1", "at least 1"),
    "two objectives": Refused(
        {"spec.objectives": [{"metric": m, "goal": "Minimize"} for m in "ab"]}, "spec.objectives", "at most 1"
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
    "TPE's setting on Random": Refused(
        {"spec.algorithm": {"name": "Random", "settings": {"candidates": 9}}},
        "spec.algorithm",
        "candidates is a setting of TPE only",
    ),
    "startup trials on Grid": Refused(
        {"spec.algorithm": {"name": "Grid", "settings": {"startupTrials": 9}}},
        "spec.algorithm",
        "startupTrials is a setting of TPE and GP only",
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
        "",
        "$(params.depth) names no parameter: learning_rate, max_depth, booster",
        model_only=True,
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
    "Grid over steps": {"spec.algorithm": {"name": "Grid"}, f"{_PARAMETER}.float": {"min": 0, "max": 1, "step": 0.25}},
    "TPE's settings": {"spec.algorithm": {"name": "TPE", "seed": 7, "settings": {"startupTrials": 5, "candidates": 9}}},
    "GP's setting": {"spec.algorithm": {"name": "GP", "settings": {"startupTrials": 5}}},
    "python objective": {"spec.trial": {"python": {"entrypoint": "package.train:objective"}}},
    "builtin objective": {"spec.trial": {"builtin": {"name": "xgboost-cv", "config": {"dataset": "wine", "folds": 3}}}},
    "processors as a number": {"spec.trial.resources": {"cpu": 1, "memory": "2Gi", "gpu": 1}},
    "database": {"spec.storage": {"databaseSecretRef": {"name": "db"}}},
}
