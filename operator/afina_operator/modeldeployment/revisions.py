"""A revision: what is served, as one immutable thing. Its name follows from what it is."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from afina_api.modeldeployment import ModelDeployment, RevisionStatus
from afina_operator.driver.children import child_name
from afina_operator.registry import RegisteredVersion
from afina_operator.settings import Settings

PREFIX = "mldep"


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

    @classmethod
    def wanted(cls, deployment: ModelDeployment, model: RegisteredVersion, settings: Settings) -> Self:
        """The revision that a spec asks for."""
        spec = deployment.spec
        content: dict[str, Any] = {
            "model": model,
            "runtime": spec.runtime.name,
            "image": spec.image or settings.images.runtime,
            "cpu": spec.resources.cpu,
            "memory": spec.resources.memory,
            "gpu": spec.resources.gpu,
        }
        text = json.dumps({**content, "model": asdict(model)}, sort_keys=True)
        name = f"{child_name(PREFIX, deployment.metadata.name)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        return cls(name, **content)

    @classmethod
    def recorded(cls, data: Mapping[str, Any]) -> Self:
        """A revision from its record."""
        return cls(**{**data, "model": RegisteredVersion(**data["model"])})

    def record(self) -> dict[str, Any]:
        """The revision as JSON."""
        return asdict(self)

    def status(self) -> RevisionStatus:
        """The revision as the status names it."""
        return RevisionStatus(
            revision=self.name, model_name=self.model.name, model_version=self.model.version, digest=self.model.digest
        )
