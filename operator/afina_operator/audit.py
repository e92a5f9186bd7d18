"""Proves that the watches are fresh, and makes up for what they miss.

A watch can die without a sign. So every minute the objects are listed (only their metadata, from the API server's
cache): one whose version no watch has brought is reconciled anyway; if a minute later still nothing has come of it,
the watch is stale, and the liveness probe says so. That the API server cannot be reached proves nothing.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from afina_operator import metrics
from afina_operator.errors import ClusterError
from afina_operator.resources import Json, Ref, Resource
from afina_operator.watches import Watch

log = logging.getLogger(__name__)

_PERIOD_SECONDS = 60.0

ListMetadata = Callable[[Resource, str | None, str], Awaitable[list[Json]]]
"""Lists the metadata of a kind's objects in a namespace (None: in all) by a label selector."""


Scope = tuple[Resource, str | None]
"""A watch of one kind in one namespace (None: in all)."""


class Audit:
    """Compares what the watches brought with what there is."""

    def __init__(
        self,
        watches: Sequence[Watch],
        namespaces: Sequence[str],
        list_metadata: ListMetadata,
        enqueue: Callable[[Ref], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing seen.

        Args:
            watches: what is watched.
            namespaces: where; empty: everywhere.
            list_metadata: lists what there is.
            enqueue: reconciles an object.
            clock: seconds since some time.
        """
        self._scopes = [(watch, namespace) for watch in watches for namespace in namespaces or (None,)]
        self._clusterwide = not namespaces
        self._list = list_metadata
        self._enqueue = enqueue
        self._clock = clock
        self._versions: dict[Ref, str] = {}
        self._aspects: dict[Ref, int] = {}
        self._unseen: dict[Ref, str | None] = {}
        self._stale_since: dict[Scope, float] = {}
        self._fresh: dict[Scope, float] = {(watch.resource, namespace): clock() for watch, namespace in self._scopes}
        for scope in self._fresh:
            self._report_age(scope)

    def notice(self, watch: Watch, obj: Json, gone: bool) -> None:
        """A watch brought this object: remember its version, and reconcile what it concerns if that may matter."""
        seen = Ref(watch.resource, obj["metadata"]["namespace"], obj["metadata"]["name"])
        aspect = hash(repr(watch.aspect(obj)))
        changed = gone or self._aspects.get(seen) != aspect
        if gone:
            self._versions.pop(seen, None)
            self._aspects.pop(seen, None)
        else:
            self._versions[seen] = obj["metadata"]["resourceVersion"]
            self._aspects[seen] = aspect
        scope = (watch.resource, None if self._clusterwide else seen.namespace)
        self._fresh[scope] = self._clock()
        self._stale_since.pop(scope, None)
        target = watch.concerns(obj)
        if changed and target:
            self._enqueue(target)

    def stale(self) -> dict[str, float]:
        """The watches that are proved stale, and for how many seconds."""
        now = self._clock()
        return {
            f"{resource.plural} in {place or 'all namespaces'}": now - since
            for (resource, place), since in self._stale_since.items()
        }

    async def run(self) -> None:
        """Audit for ever."""
        while True:
            await asyncio.sleep(_PERIOD_SECONDS)
            try:
                await self.once()
            except ClusterError as error:
                log.warning("cannot audit the watches: %s", error)

    async def once(self) -> None:
        """Compare all watches with what there is.

        Raises:
            ClusterError: it cannot be known what there is.
        """
        unseen: dict[Ref, str | None] = {}
        for watch, namespace in self._scopes:
            listed = await self._list(watch.resource, namespace, watch.labels)
            found = self._compare(watch, namespace, listed)
            self._judge((watch.resource, namespace), found)
            unseen |= found
        self._unseen = unseen

    def _compare(self, watch: Watch, namespace: str | None, listed: list[Json]) -> dict[Ref, str | None]:
        """The objects whose present state the watch has not brought, with the version that it brought."""
        there = {Ref(watch.resource, one["namespace"], one["name"]): one for one in listed}
        known = [one for one in self._versions if one.resource == watch.resource and namespace in (None, one.namespace)]
        missed = [one for one in there if _is_newer(there[one]["resourceVersion"], self._versions.get(one))]
        for one in missed:
            if target := watch.concerns({"metadata": there[one]}):
                self._enqueue(target)
        gone = [one for one in known if one not in there]
        return {one: self._versions.get(one) for one in (*missed, *gone)}

    def _judge(self, scope: Scope, found: dict[Ref, str | None]) -> None:
        if not found:
            self._fresh[scope] = self._clock()
        still = [one for one, version in found.items() if one in self._unseen and self._unseen[one] == version]
        if still and scope not in self._stale_since:
            self._stale_since[scope] = self._fresh[scope]
            log.error("the watch of %s has missed %s, and not brought it since", scope[0].plural, still[0])

    def _report_age(self, scope: Scope) -> None:
        age = metrics.WATCH_AGE_SECONDS.labels(scope[0].plural, scope[1] or "")
        age.set_function(lambda: self._clock() - self._fresh[scope])


def _is_newer(listed: str, seen: str | None) -> bool:
    """Whether the listed version is one that the watch has not brought yet."""
    if seen is None:
        return True
    if listed.isdecimal() and seen.isdecimal():
        return int(listed) > int(seen)
    return listed != seen
