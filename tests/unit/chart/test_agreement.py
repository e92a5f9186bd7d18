"""The chart and the operator's README say the same: rights, settings and metrics."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[3]
TEMPLATES = ROOT / "charts" / "afina" / "templates" / "operator"
README = (ROOT / "operator" / "README.md").read_text()

Rights = dict[tuple[str, str], set[str]]


def section(title: str) -> str:
    """The text under a heading of the operator's README."""
    return README.split(f"\n## {title}")[1].split("\n## ")[0]


def documented_rights() -> Rights:
    """Verbs by group and resource, from the table under Rights."""
    found: Rights = {}
    for line in section("Rights").splitlines():
        if line.startswith(("| `", "| core")):
            group, resources, verbs = [cell.strip() for cell in line.split("|")[1:4]]
            for resource in re.findall(r"`([^`]+)`", resources):
                found[group.strip("`").replace("core", ""), resource] = set(verbs.split(", "))
    return found


def granted_rights() -> Rights:
    """The same from the rules in the chart, those that a value must ask for included."""
    template = re.sub(r"\n\{\{- (if .*|end) \}\}", "", (TEMPLATES / "rbac.yaml").read_text())
    body = re.split(r'\{\{- define "afina.operatorRules" -\}\}|\{\{- end -\}\}', template)[1]
    return {
        (group, resource): set(rule["verbs"])
        for rule in yaml.safe_load(body)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_grants_what_the_operator_needs_and_no_more() -> None:
    assert documented_rights()
    assert granted_rights() == documented_rights()


def test_sets_only_what_the_operator_reads() -> None:
    set_by_chart = set(re.findall(r"name: (AFINA_\w+)", (TEMPLATES / "deployment.yaml").read_text()))
    read_by_operator = set(re.findall(r"`(AFINA_\w+)`", section("Settings")))
    assert set_by_chart
    assert set_by_chart <= read_by_operator


def test_alerts_name_metrics_that_exist() -> None:
    used = set(re.findall(r"\bafina_[a-z_]+", (TEMPLATES / "prometheusrule.yaml").read_text()))
    exist = set(re.findall(r"`(afina_[a-z_]+)`", section("Metrics")))
    assert used
    assert used <= exist
