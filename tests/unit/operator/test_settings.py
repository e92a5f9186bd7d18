"""Settings and metrics are read as documented, and all are documented."""

import re
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from afina_operator import metrics, settings
from afina_operator.settings import Settings

README = (Path(__file__).parents[3] / "operator" / "README.md").read_text()
SOURCE = Path(settings.__file__).read_text()


def test_without_environment_the_defaults_hold() -> None:
    assert Settings.from_environment({}) == Settings()
    assert Settings.from_environment({"AFINA_RUNTIME_IMAGE": ""}) == Settings(), "an empty variable is an unset one"


def test_the_environment_is_read() -> None:
    found = Settings.from_environment(
        {
            "AFINA_WATCH_NAMESPACES": " lab, team-a ,",
            "AFINA_RUNTIME_TORCH_IMAGE": "reg/torch:1",
            "AFINA_START_DEADLINE_SECONDS": "20",
        }
    )
    assert found.watch_namespaces == ("lab", "team-a")
    assert found.images.runtime_torch == "reg/torch:1"
    assert found.start_deadline_seconds == 20


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_number_that_is_none_is_refused_by_name(value: str) -> None:
    with pytest.raises(ValueError, match=f"AFINA_WORKERS must be a whole number from 1 on: got '{value}'"):
        Settings.from_environment({"AFINA_WORKERS": value})


def test_a_switch_is_true_or_false() -> None:
    assert Settings.from_environment({"AFINA_RAY": "true"}).ray
    assert not Settings.from_environment({"AFINA_RAY": "false"}).ray
    with pytest.raises(ValueError, match="AFINA_RAY must be true or false: got 'yes'"):
        Settings.from_environment({"AFINA_RAY": "yes"})


def test_an_address_is_of_the_web() -> None:
    assert Settings.from_environment({"AFINA_PROMETHEUS_URL": "https://p:9090/a"}).prometheus_url == "https://p:9090/a"
    with pytest.raises(ValueError, match="AFINA_PROMETHEUS_URL must begin with http:// or https://: got 'file:///etc'"):
        Settings.from_environment({"AFINA_PROMETHEUS_URL": "file:///etc"})


def test_every_setting_is_documented() -> None:
    read = {f"AFINA_{name}" for name in re.findall(r'(?:text|number|address|switch)\(\s*"([A-Z_]+)"', SOURCE)}
    assert len(read) == 15
    assert read == set(re.findall(r"^\| `(AFINA_[A-Z_]+)`", README, re.MULTILINE))


def test_every_metric_is_documented() -> None:
    assert metrics.__doc__
    made = {family.name for family in REGISTRY.collect() if family.name.startswith("afina_")}
    told = set(re.findall(r"^\| `(afina_[a-z_]+?)(?:_total)?`", README, re.MULTILINE))
    assert made == told
