"""The operator's settings, from the environment. operator/README.md describes each; a test keeps it complete."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self


@dataclass(frozen=True)
class Images:
    """What the pods of a kind run."""

    runtime: str = "afina-runtime"
    runtime_torch: str = ""
    pull_policy: str = "IfNotPresent"
    torchserve: str = ""


@dataclass(frozen=True)
class Settings:
    """Everything that an installation can set."""

    namespace: str = "afina"
    """Where the operator's Lease is."""
    pod_uid: str = ""
    """Of the pod it runs in, whose container is started again when it has ended and not before; empty: in none."""
    watch_namespaces: tuple[str, ...] = ()
    """The namespaces whose objects it handles; none: all of the cluster."""
    images: Images = field(default_factory=Images)
    mlflow_tracking_uri: str = ""
    """Where drivers log; empty: nowhere."""
    http_allowed_hosts: str = ""
    """The hosts, separated by commas, that Datasets may be read from over HTTP; empty: none."""
    prometheus_url: str = ""
    """What ModelDeployments may be judged by; empty: nothing."""
    ray: bool = False
    """Whether Ray clusters may be made, by KubeRay."""
    start_deadline_seconds: int = 120
    """A pod that cannot start for so long, for a cause that waiting does not cure, fails its job."""
    workers: int = 4
    port: int = 8080
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read them.

        Raises:
            ValueError: a number, an address or a switch is none; the message names the variable.
        """

        def text(name: str, default: str) -> str:
            return environment.get(f"AFINA_{name}") or default

        def number(name: str, default: int) -> int:
            value = text(name, str(default))
            if not value.isdecimal() or int(value) < 1:
                raise ValueError(f"AFINA_{name} must be a whole number from 1 on: got {value!r}")
            return int(value)

        def switch(name: str) -> bool:
            value = text(name, "false")
            if value not in ("true", "false"):
                raise ValueError(f"AFINA_{name} must be true or false: got {value!r}")
            return value == "true"

        def address(name: str) -> str:
            value = text(name, "")
            if value and not value.startswith(("http://", "https://")):
                raise ValueError(f"AFINA_{name} must begin with http:// or https://: got {value!r}")
            return value

        return cls(
            namespace=text("NAMESPACE", cls.namespace),
            pod_uid=text("POD_UID", cls.pod_uid),
            watch_namespaces=tuple(filter(None, map(str.strip, text("WATCH_NAMESPACES", "").split(",")))),
            images=Images(
                runtime=text("RUNTIME_IMAGE", Images.runtime),
                runtime_torch=text("RUNTIME_TORCH_IMAGE", Images.runtime_torch),
                torchserve=text("TORCHSERVE_IMAGE", Images.torchserve),
                pull_policy=text("IMAGE_PULL_POLICY", Images.pull_policy),
            ),
            mlflow_tracking_uri=text("MLFLOW_TRACKING_URI", cls.mlflow_tracking_uri),
            http_allowed_hosts=text("HTTP_ALLOWED_HOSTS", cls.http_allowed_hosts),
            prometheus_url=address("PROMETHEUS_URL"),
            ray=switch("RAY"),
            start_deadline_seconds=number("START_DEADLINE_SECONDS", cls.start_deadline_seconds),
            workers=number("WORKERS", cls.workers),
            port=number("PORT", cls.port),
            log_level=text("LOG_LEVEL", cls.log_level),
        )
