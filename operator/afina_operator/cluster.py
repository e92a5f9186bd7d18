"""The one module that talks to the API server.

A small client over aiohttp, which kopf brings anyway. docs/decisions/0001-api-client.md tells why none of the
larger ones. It knows what the operator needs and nothing more: live reads, creation, server-side apply, merge patch
and deletion, each bound to the version that was seen, so that a same-named successor is never touched.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import aiohttp

from afina_operator import metrics
from afina_operator.credentials import Credentials
from afina_operator.errors import (
    ClusterError,
    ConflictError,
    FencedError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from afina_operator.resources import Json, Ref, Resource, ref

FIELD_MANAGER = "afina-operator"
TIMEOUT_SECONDS = 5.0
"""A request takes no longer. A write that was sent while the lease held ends before another operator can hold it."""
_NO_SUCH_KIND = b"404 page not found"
_METADATA_ONLY = "application/json;as={};g=meta.k8s.io;v=v1"


class Cluster(Protocol):
    """What the operator needs of a cluster. `HttpCluster` is the real one, tests bring a simulated one."""

    async def get(self, target: Ref) -> Json | None:
        """The object as it is now; None if it is not there."""

    async def get_all(self, targets: Sequence[Ref]) -> Sequence[Json | None]:
        """Each of the objects, at the same time."""

    async def exists(self, target: Ref) -> bool:
        """Whether the object is there; its content, which may be large, is not read."""

    async def knows(self, resource: Resource) -> bool:
        """Whether the API server knows that kind."""

    async def find(self, resource: Resource, namespace: str, *, labels: str = "", fields: str = "") -> list[Json]:
        """The objects of that kind in the namespace that fit the label and field selectors."""

    async def create(self, obj: Json) -> Json:
        """Make the object; conflict if it exists already."""

    async def apply(self, obj: Json) -> Json:
        """Server-side apply; conflict if the existing object is not the one and the version in `metadata`."""

    async def apply_status(self, obj: Json) -> Json:
        """Server-side apply of the status; conflict if it is not the version in `metadata`."""

    async def patch(self, seen: Json, changes: Json) -> Json:
        """Merge patch; conflict if the object is not as it was seen."""

    async def delete(self, seen: Json) -> None:
        """Delete the object and in the background what it owns; conflict if it is not as it was seen."""


class HttpCluster:
    """A cluster reached over HTTP."""

    def __init__(self, credentials: Credentials, may_write: Callable[[], bool]) -> None:
        """Connect when first needed.

        Args:
            credentials: where the API server is and who we are.
            may_write: asked before each write; False stops it with `FencedError`.
        """
        self._credentials = credentials
        self._may_write = may_write
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=credentials.ssl_context(), limit=32),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def get(self, target: Ref) -> Json | None:
        """The object as it is now; None if it is not there."""
        try:
            return await self._request("GET", target.resource, target.resource.path(*target[1:]))
        except NotFoundError:
            return None

    async def get_all(self, targets: Sequence[Ref]) -> Sequence[Json | None]:
        """Each of the objects, at the same time."""
        return await asyncio.gather(*map(self.get, targets))

    async def exists(self, target: Ref) -> bool:
        """Whether the object is there; its content, which may be large, is not read."""
        headers = {"Accept": _METADATA_ONLY.format("PartialObjectMetadata")}
        try:
            await self._request("GET", target.resource, target.resource.path(*target[1:]), headers=headers)
        except NotFoundError:
            return False
        return True

    async def knows(self, resource: Resource) -> bool:
        """Whether the API server knows that kind."""
        try:
            found = await self._request("GET", resource, f"/apis/{resource.api_version}")
        except NotFoundError:
            return False
        return any(one.get("name") == resource.plural for one in found.get("resources") or ())

    async def find(self, resource: Resource, namespace: str, *, labels: str = "", fields: str = "") -> list[Json]:
        """The objects of that kind in the namespace that fit the selectors."""
        query = {"labelSelector": labels, "fieldSelector": fields}
        found = await self._request("GET", resource, resource.path(namespace), query=query)
        return list(found["items"] or ())

    async def list_metadata(self, resource: Resource, namespace: str | None, labels: str = "") -> list[Json]:
        """Only the metadata of the objects, from the API server's cache; None: of all namespaces."""
        headers = {"Accept": _METADATA_ONLY.format("PartialObjectMetadataList")}
        query = {"labelSelector": labels, "resourceVersion": "0"}
        found = await self._request("GET", resource, resource.path(namespace), query=query, headers=headers)
        return [item["metadata"] for item in found["items"] or ()]

    async def create(self, obj: Json) -> Json:
        """Make the object; conflict if it exists already."""
        target = ref(obj)
        path = target.resource.path(target.namespace)
        return await self._write("POST", target.resource, path, obj, query={"fieldManager": FIELD_MANAGER})

    async def apply(self, obj: Json) -> Json:
        """Server-side apply; conflict if the existing object is not the one and the version in `metadata`."""
        return await self._apply(obj)

    async def apply_status(self, obj: Json) -> Json:
        """Server-side apply of the status; conflict if it is not the version in `metadata`."""
        return await self._apply(obj, subresource="status")

    async def patch(self, seen: Json, changes: Json) -> Json:
        """Merge patch; conflict if the object is not as it was seen."""
        target = ref(seen)
        body = {**changes, "metadata": {"resourceVersion": seen["metadata"]["resourceVersion"]}}
        return await self._write(
            "PATCH",
            target.resource,
            target.resource.path(*target[1:]),
            body,
            query={"fieldManager": FIELD_MANAGER},
            content_type="application/merge-patch+json",
        )

    async def replace(self, obj: Json) -> Json:
        """Update an object read before; conflict if it changed since. The lease uses it: it is not fenced."""
        target = ref(obj)
        return await self._request("PUT", target.resource, target.resource.path(*target[1:]), body=obj)

    async def make_unfenced(self, obj: Json) -> Json:
        """Make an object without asking the lease: for the lease itself."""
        target = ref(obj)
        return await self._request("POST", target.resource, target.resource.path(target.namespace), body=obj)

    async def delete(self, seen: Json) -> None:
        """Delete the object and in the background what it owns; conflict if it is not as it was seen."""
        target = ref(seen)
        marks = {mark: seen["metadata"][mark] for mark in ("uid", "resourceVersion")}
        body = {"preconditions": marks, "propagationPolicy": "Background"}
        await self._write("DELETE", target.resource, target.resource.path(*target[1:]), body)

    async def _apply(self, obj: Json, subresource: str = "") -> Json:
        target = ref(obj)
        return await self._write(
            "PATCH",
            target.resource,
            target.resource.path(target.namespace, target.name, subresource),
            obj,
            query={"fieldManager": FIELD_MANAGER, "force": "true"},
            content_type="application/apply-patch+yaml",
        )

    async def _write(
        self,
        method: str,
        resource: Resource,
        path: str,
        body: Json,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        if not self._may_write():
            raise FencedError(f"{method} {path}: not sent, the lease is not held")
        headers = {"Content-Type": content_type}
        found = await self._request(method, resource, path, body=body, query=query, headers=headers)
        metrics.WRITES.labels(method, resource.kind).inc()
        return found

    async def _request(
        self,
        method: str,
        resource: Resource,
        path: str,
        *,
        body: Json | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        url = self._credentials.server + path
        headers = {"Content-Type": "application/json", **self._credentials.headers(), **(headers or {})}
        data = None if body is None else json.dumps(body).encode()
        params = {key: value for key, value in (query or {}).items() if value}
        started = time.monotonic()
        outcome = "none"
        try:
            async with self._session.request(method, url, params=params, data=data, headers=headers) as response:
                outcome = str(response.status)
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"{method} {path}: {error!r}") from error
        finally:
            metrics.REQUESTS.labels(method, resource.kind, outcome).inc()
            metrics.REQUEST_SECONDS.labels(method).observe(time.monotonic() - started)
        return _answer(f"{method} {path}", int(outcome), content)


def _answer(what: str, code: int, content: bytes) -> Json:
    if content.strip() == _NO_SUCH_KIND:
        raise NotFoundError(f"{what}: the API server does not know that kind")
    try:
        body = dict(json.loads(content))
    except (ValueError, TypeError):
        raise UnavailableError(f"{what}: {code}, and the answer is no JSON object") from None
    if code < 400:
        return body
    raise _ERRORS.get(code, UnavailableError)(f"{what}: {code} {body.get('message', '')}")


_ERRORS: dict[int, type[ClusterError]] = {
    400: RefusedError,
    403: RefusedError,
    404: NotFoundError,
    409: ConflictError,
    413: RefusedError,
    422: RefusedError,
}
