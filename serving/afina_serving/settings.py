"""What the operator's pod template says."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from afina_api.modeldeployment import PredictionLogging
from afina_api.serving import RuntimeName, ServerReason
from afina_serving.errors import StartError

MAX_ROWS = 10_000
"""Of a request."""


@dataclass(frozen=True)
class Identity:
    """Which model this server has."""

    name: str
    version: str
    digest: str
    revision: str
    """Of the ModelDeployment."""


@dataclass(frozen=True)
class Limits:
    """What a request may cost."""

    max_body_bytes: int = 10 * 2**20
    timeout_seconds: float = 30.0
    """For its body to arrive, and again for its prediction."""
    max_queue: int = 64
    """Predictions that wait for the thread, with the one that it makes."""


@dataclass(frozen=True)
class Cookie:
    """Tells in which of a hundred buckets a client is."""

    name: str
    path: str
    """The prefix under which clients know this server."""


@dataclass(frozen=True)
class Settings:
    """All that the environment says."""

    identity: Identity
    source: str
    """Where the model is, as the registry's version says it: a URI, or a folder."""
    folder: Path
    """Where it is downloaded to."""
    port: int
    grpc_port: int
    runtime: str
    """What predicts."""
    workers: int
    """Processes that predict, where the runtime has such."""
    limits: Limits
    shadow: str | None
    """URL that leads to another revision while requests are to be copied to it."""
    cookie: Cookie | None
    """Given to clients that have none, where they are to stay with a revision."""
    logging: PredictionLogging | None
    """Which requests are kept, and where."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Settings":
        """Read the variables.

        Raises:
            StartError: one is missing, or is no number.
        """
        try:
            return cls(
                identity=Identity(
                    name=env["AFINA_MODEL_NAME"],
                    version=env["AFINA_MODEL_VERSION"],
                    digest=env["AFINA_MODEL_DIGEST"],
                    revision=env["AFINA_REVISION"],
                ),
                source=env["AFINA_MODEL"],
                folder=Path(env["AFINA_MODEL_DIR"]),
                port=int(env.get("PORT", "8080")),
                grpc_port=int(env.get("AFINA_GRPC_PORT", "8081")),
                runtime=_runtime(env),
                workers=int(env.get("AFINA_WORKERS", "1")),
                limits=Limits(
                    max_body_bytes=int(env.get("AFINA_MAX_BODY_BYTES", Limits.max_body_bytes)),
                    timeout_seconds=float(env.get("AFINA_TIMEOUT_SECONDS", Limits.timeout_seconds)),
                    max_queue=int(env.get("AFINA_MAX_QUEUE", Limits.max_queue)),
                ),
                shadow=env.get("AFINA_SHADOW_URL"),
                cookie=Cookie(env["AFINA_COOKIE"], env["AFINA_COOKIE_PATH"]) if "AFINA_COOKIE" in env else None,
                logging=PredictionLogging.model_validate_json(env["AFINA_LOG"]) if "AFINA_LOG" in env else None,
            )
        except KeyError as error:
            raise StartError(ServerReason.INVALID_SETTINGS, f"{error.args[0]} is not set") from error
        except ValidationError as error:
            raise StartError(ServerReason.INVALID_SETTINGS, f"AFINA_LOG: {error}") from error
        except ValueError as error:
            raise StartError(ServerReason.INVALID_SETTINGS, f"a number is expected: {error}") from error


def _runtime(env: Mapping[str, str]) -> str:
    name, known = env.get("AFINA_RUNTIME", "Uvicorn"), get_args(RuntimeName)
    if name not in known:
        raise StartError(ServerReason.INVALID_SETTINGS, f"AFINA_RUNTIME: {name!r} is none of {', '.join(known)}")
    return name
