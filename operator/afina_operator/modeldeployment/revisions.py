"""A revision: what is served, as one immutable thing. Its name follows from what it is."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from afina_api.modeldeployment import ModelDeployment, RevisionStatus
from afina_operator.driver.children import child_name
from afina_operator.driver.kind import InvalidSpecError, torch_image
from afina_operator.registry import RegisteredVersion
from afina_operator.settings import Settings

PREFIX = "mldep"
_FRESH = "-base"
"""No revision's own name ends so: its last part is a hash."""


@dataclass(frozen=True)
class Revision:
    """A model and all that serves it. A rollback restores the whole of it."""

    name: str
    model: RegisteredVersion
    runtime: str
    image: str
    cpu: str
    memory: str
    gpu: int
    workers: int = 1

    @classmethod
    def wanted(cls, deployment: ModelDeployment, model: RegisteredVersion, settings: Settings) -> Self:
        """The revision that a spec asks for.

        Raises:
            InvalidSpecError: the installation does not name the image that its runtime needs.
        """
        spec = deployment.spec
        content: dict[str, Any] = {
            "model": model,
            "runtime": spec.runtime.name,
            "image": spec.image or _image(spec.runtime.name, model, settings),
            "cpu": spec.resources.cpu,
            "memory": spec.resources.memory,
            "gpu": spec.resources.gpu,
            "workers": spec.runtime.settings.workers,
        }
        # What is unset is left out: a field that a later version knows must not give all revisions other names.
        named = {key: value for key, value in asdict(model).items() if value is not None}
        text = json.dumps({**content, "model": named}, sort_keys=True)
        name = f"{child_name(PREFIX, deployment.metadata.name)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        return cls(name, **content)

    @classmethod
    def recorded(cls, data: Mapping[str, Any]) -> Self:
        """A revision from its record."""
        return cls(**{**data, "model": RegisteredVersion(**data["model"])})

    def record(self) -> dict[str, Any]:
        """The revision as JSON."""
        return asdict(self)

    def fresh(self) -> Self:
        """The same for new pods, which a canary is compared with."""
        return replace(self, name=fresh_name(self.name))

    def status(self) -> RevisionStatus:
        """The revision as the status names it."""
        return RevisionStatus(
            revision=self.name, model_name=self.model.name, model_version=self.model.version, digest=self.model.digest
        )


def fresh_name(revision: str) -> str:
    """What the new pods of a revision, which a canary is compared with, go by."""
    return f"{revision}{_FRESH}"


def of_fresh(name: str) -> str:
    """The revision whose pods go by that name, be they new ones."""
    return name.removesuffix(_FRESH)


def _image(runtime: str, model: RegisteredVersion, settings: Settings) -> str:
    if runtime == "TorchServe":
        return _torchserve_image(model, settings)
    if model.needs == "torch":
        return torch_image(settings, f"spec.model: the network by which {model.name} sees images", "or set spec.image")
    return settings.images.runtime


def _torchserve_image(model: RegisteredVersion, settings: Settings) -> str:
    if model.needs == "torch":
        raise InvalidSpecError(
            f"spec.runtime.name: {model.name} sees images by a network, which needs torch, and the image of TorchServe "
            "has none: take another runtime, or set spec.image"
        )
    if not settings.images.torchserve:
        raise InvalidSpecError(
            "spec.runtime.name: TorchServe needs an image that this installation does not name: "
            "set image.torchserve in the chart's values, set spec.image, or take another runtime"
        )
    return settings.images.torchserve
