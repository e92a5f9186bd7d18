"""What the API server refuses beyond the schema: a ValidatingAdmissionPolicy for each kind that needs one.

The API server admits a CRD's rules only if they are cheap for the longest lists that the schema allows, and lists
that refer to each other are not. A policy is charged for the object at hand.
"""

from typing import Any

from afina_api import GROUP, VERSION
from afina_api.base import rule
from afina_api.parameters import CONDITION_NAMES, CONDITION_VALUES, FIXED_SPACE, RANGES_GROW, SPACE_IS_FIXED
from afina_api.tuningjob import PLACEHOLDER_NAMES

_NAMES = "object.spec.parameters.map(q, q.name)"
_NEW = "request.operation == 'CREATE' || object.spec != oldObject.spec"
_SAME = "q.name == w.parameter"
_STARTED = "request.operation == 'UPDATE' && has(oldObject.status) && has(oldObject.status.startTime)"
_SAME_SPACE = f"!({_STARTED}) || object.spec.parameters == oldObject.spec.parameters"


def _grown(kind: str, whole_steps: str) -> str:
    """CEL: the range of that kind of p holds that of q, which is of the same kind."""
    step = f"has(p.{kind}.step) == has(q.{kind}.step) && (!has(p.{kind}.step) || p.{kind}.step == q.{kind}.step)"
    bounds = f"p.{kind}.min <= q.{kind}.min && p.{kind}.max >= q.{kind}.max"
    return f"has(q.{kind}) && p.{kind}.scale == q.{kind}.scale && {step} && {bounds} && {whole_steps}"


# A number without a fraction is an int here, whatever the schema says.
_WHOLE_STEPS = (
    "(!has(p.float.step) || [(double(q.float.min) - double(p.float.min)) / double(p.float.step)].all(n,"
    " n < 1e15 && n - double(int(n + 0.5)) < 1e-6 && double(int(n + 0.5)) - n < 1e-6))"
)
_WHOLE_INT_STEPS = "(q.int.min - p.int.min) % (has(p.int.step) ? p.int.step : 1) == 0"
_GROWN = (
    "has(p.when) == has(q.when) && (!has(p.when) || p.when == q.when) &&"
    f" (has(p.float) ? {_grown('float', _WHOLE_STEPS)} : has(p.int) ? {_grown('int', _WHOLE_INT_STEPS)} :"
    " has(q.categorical) && p.categorical == q.categorical)"
)
TUNING_JOB = (
    rule(
        "object.spec.parameters.all(p, !has(p.when) || p.when.all(w, object.spec.parameters.exists(q,"
        f" {_SAME} && !has(q.float)) && variables.names.indexOf(w.parameter) < variables.names.indexOf(p.name)))",
        f"spec.parameters: {CONDITION_NAMES}",
    ),
    rule(
        "object.spec.parameters.all(p, !has(p.when) || p.when.all(w, object.spec.parameters.all(q,"
        f" !({_SAME}) || has(q.float) || w['in'].all(v, has(q.categorical) ? v in q.categorical.choices"
        " : type(v) == int && v >= q.int.min && v <= q.int.max))))",
        f"spec.parameters: {CONDITION_VALUES}",
    ),
    rule(
        f"{_SAME_SPACE} || (variables.names == oldObject.spec.parameters.map(q, q.name) &&"
        f" object.spec.parameters.all(p, oldObject.spec.parameters.exists(q, q.name == p.name && {_GROWN})))",
        f"spec.parameters: {RANGES_GROW}",
    ),
    rule(
        f"{_SAME_SPACE} || !(object.spec.algorithm.name in {list(FIXED_SPACE)})",
        f"spec.parameters: {SPACE_IS_FIXED}",
    ),
    rule(
        "!has(object.spec.trial.command) || object.spec.trial.command.argv.all(a,"
        " a.findAll('[$][(]params[.][^)]*[)]').all(f, f.substring(9, f.size() - 1) in variables.names))",
        f"spec.trial.command.argv: {PLACEHOLDER_NAMES}",
    ),
)


def policies() -> dict[str, dict[str, Any]]:
    """The policy of TuningJob and what makes it count, by the name of their files."""
    name = f"tuningjobs.{GROUP}"
    api, metadata = "admissionregistration.k8s.io/v1", {"name": name}
    rules = [{"expression": found["rule"], "message": found["message"]} for found in TUNING_JOB]
    policy = {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": metadata,
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [GROUP],
                        "apiVersions": [VERSION],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["tuningjobs"],
                    }
                ]
            },
            # What was there before may be labelled and deleted.
            "matchConditions": [{"name": "spec-is-new", "expression": _NEW}],
            "variables": [{"name": "names", "expression": _NAMES}],
            "validations": rules,
        },
    }
    binding = {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": metadata,
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    return {f"{GROUP}_tuningjobs.yaml": policy, f"{GROUP}_tuningjobs_binding.yaml": binding}
