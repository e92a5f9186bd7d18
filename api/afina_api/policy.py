"""What the API server refuses beyond the schema: a ValidatingAdmissionPolicy for each kind that needs one.

The API server admits a CRD's rules only if they are cheap for the longest lists that the schema allows, and lists
that refer to each other are not. A policy is charged for the object at hand.
"""

from typing import Any

from afina_api import GROUP, VERSION
from afina_api.base import rule
from afina_api.parameters import CONDITION_NAMES, CONDITION_VALUES
from afina_api.tuningjob import PLACEHOLDER_NAMES

_NAMES = "object.spec.parameters.map(q, q.name)"
_NEW = "request.operation == 'CREATE' || object.spec != oldObject.spec"
_SAME = "q.name == w.parameter"
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
