"""Asks the model registry, MLflow, which version a URI means. Over its REST API: MLflow's client is no small thing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp

from afina_api.automljob import DIGEST_TAG, NEEDS_TAG
from afina_operator.resources import dig

_TIMEOUT_SECONDS = 5.0
_URI = re.compile(r"models:/(?P<name>[^@/]+)(?:@(?P<alias>[^@/]+)|/(?P<version>[0-9]+))")
_API = "/api/2.0/mlflow"


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model, or a model in S3."""

    name: str
    version: str
    digest: str
    """Hash of its files, which the model server checks before it loads them."""
    source: str
    """Where its files are."""
    s3: Mapping[str, Any] | None = None
    """As the spec has it: server and keys of what is not the registry's."""
    needs: str | None = None
    """`torch`, where not every image can serve it."""


class ModelUnavailableError(Exception):
    """The registry does not say what to serve; the message says why, for people."""


class Registry(Protocol):
    """What the operator needs of a model registry. `MlflowRegistry` is the real one."""

    async def resolve(self, uri: str) -> RegisteredVersion:
        """The version that a `models:/` URI means now.

        Raises:
            ModelUnavailableError: there is none, it cannot be trusted, or the registry does not answer.
        """


class MlflowRegistry:
    """MLflow, reached over HTTP."""

    def __init__(self, tracking_uri: str) -> None:
        self._root = tracking_uri.rstrip("/")

    async def resolve(self, uri: str) -> RegisteredVersion:
        """The version that a `models:/` URI means now.

        Raises:
            ModelUnavailableError: there is none, it cannot be trusted, or the registry does not answer.
        """
        if not self._root:
            raise ModelUnavailableError("this installation has no model registry: set mlflow in the chart's values")
        match = _URI.fullmatch(uri)
        if match is None:
            raise ModelUnavailableError(f"{uri!r} is neither models:/NAME@ALIAS nor models:/NAME/VERSION")
        wanted = {key: value for key, value in match.groupdict().items() if value}
        path = "registered-models/alias" if match["alias"] else "model-versions/get"
        return _version(uri, (await self._get(uri, path, wanted)).get("model_version"))

    async def _get(self, uri: str, path: str, query: dict[str, str]) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self._root}{_API}/{path}", params=query) as response,
            ):
                body = await response.json(content_type=None)
                if response.status < 400 and isinstance(body, dict):
                    return body
                said = dig(body, "message") or f"status {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ModelUnavailableError(f"the registry does not answer: {error!r}") from error
        raise ModelUnavailableError(f"the registry has no {uri}: {said}")


def _version(uri: str, found: Any) -> RegisteredVersion:
    tags = {dig(tag, "key"): dig(tag, "value") for tag in dig(found, "tags") or ()}
    if not tags.get(DIGEST_TAG):
        raise ModelUnavailableError(
            f"{uri} has no tag {DIGEST_TAG}, by which what is served is checked: register it by an AutoMLJob, or say "
            f"afina admit models:/{dig(found, 'name')}/{dig(found, 'version')}"
        )
    return RegisteredVersion(
        name=str(dig(found, "name")),
        version=str(dig(found, "version")),
        digest=str(tags[DIGEST_TAG]),
        source=str(dig(found, "source")),
        needs=tags.get(NEEDS_TAG),
    )
