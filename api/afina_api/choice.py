"""One of several by name, each with settings in a field of its own: a union, as Kubernetes' API guide writes it."""

from collections.abc import Collection, Mapping
from typing import ClassVar, Self

from pydantic import model_validator

from afina_api.base import Model, rule


class Choice(Model):
    """Something that is chosen by its `name`."""

    settings_of: ClassVar[Mapping[str, str]] = {}
    """The field that holds the settings of a name, as YAML calls it, for each name that has settings."""
    needs_settings: ClassVar[Collection[str]] = ()
    """Names some of whose settings have no default."""

    name: str
    """What is chosen."""

    @model_validator(mode="after")
    def _settings_are_those_of_the_name(self) -> Self:
        chosen = {info.alias for field, info in type(self).model_fields.items() if getattr(self, field) is not None}
        for name, field in self.settings_of.items():
            if field in chosen and self.name != name:
                raise ValueError(_foreign(name, field))
        if self.name in self.needs_settings and self.settings_of[self.name] not in chosen:
            raise ValueError(_missing(self.name, self.settings_of[self.name]))
        return self


def choice_rules(settings_of: Mapping[str, str], needs_settings: Collection[str] = ()) -> tuple[dict[str, str], ...]:
    """What a `Choice` checks, as CEL."""
    foreign = (
        rule(f"!has(self.{field}) || self.name == '{name}'", _foreign(name, field), field=f".{field}")
        for name, field in settings_of.items()
    )
    missing = (
        rule(f"self.name != '{name}' || has(self.{settings_of[name]})", _missing(name, settings_of[name]))
        for name in needs_settings
    )
    return (*foreign, *missing)


def _foreign(name: str, field: str) -> str:
    return f"{field} holds the settings of {name} only: remove it"


def _missing(name: str, field: str) -> str:
    return f"{name} needs its settings in {field}"
