"""The lease: at most one operator may write at any moment, whatever happens to either."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from afina_operator.cluster import TIMEOUT_SECONDS
from afina_operator.errors import ConflictError, NotFoundError, UnavailableError
from afina_operator.lease import Lease, LeaseLostError, Timing
from afina_operator.resources import LEASES, Json, Ref

TIMING = Timing()
TARGET = Ref(LEASES, "afina", "afina-operator")


@dataclass
class Store:
    """An API server with one lease in it."""

    lease: Json | None = None
    version: int = 0
    down: bool = False
    answers_lost: bool = False
    writes: list[str] = field(default_factory=list)

    async def get(self, target: Ref) -> Json | None:
        self._reach()
        return self.lease

    async def make_unfenced(self, obj: Json) -> Json:
        self._reach()
        if self.lease is not None:
            raise ConflictError("exists")
        return self._store(obj)

    async def replace(self, obj: Json) -> Json:
        self._reach()
        if self.lease is None:
            raise NotFoundError("gone")
        if obj["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ConflictError("changed")
        return self._store(obj)

    def _reach(self) -> None:
        if self.down:
            raise UnavailableError("no answer")

    def _store(self, obj: Json) -> Json:
        self.version += 1
        self.lease = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        self.writes.append(obj["spec"]["holderIdentity"])
        if self.answers_lost:
            raise UnavailableError("the answer was lost")
        return self.lease


class Clock:
    """Time that passes only when a test says so, or somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


class EnoughError(Exception):
    """Ends a loop that would go on for ever."""


def a_lease(store: Store, clock: Clock, name: str) -> Lease:
    return Lease(store, "afina", name, TIMING, clock, clock.sleep)


async def keep_for(lease: Lease, clock: Clock, renewals: int) -> None:
    """Keep the lease for so many renewals."""
    left = [renewals]

    def count() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise EnoughError

    clock.on_sleep = count
    try:
        await lease.keep()
    except EnoughError:
        pass
    finally:
        clock.on_sleep = lambda: None


def test_a_write_ends_before_another_can_hold_the_lease() -> None:
    assert TIMING.write + TIMEOUT_SECONDS < TIMING.duration
    assert 2 * TIMING.renew < TIMING.write, "one renewal may fail"


async def test_nobody_may_write_before_he_holds_it() -> None:
    lease = a_lease(Store(), Clock(), "a")
    assert not lease.may_write()
    await lease.acquire()
    assert lease.may_write()


async def test_the_second_waits_until_the_first_has_been_silent_for_its_duration() -> None:
    store, clock = Store(), Clock()
    first, second = a_lease(store, clock, "a"), a_lease(store, clock, "b")
    await first.acquire()
    started = clock.now
    await second.acquire()
    assert TIMING.duration <= clock.now - started <= TIMING.duration + 2 * TIMING.renew
    assert not first.may_write()
    assert second.may_write()


async def test_a_renewed_lease_is_not_taken() -> None:
    store, clock = Store(), Clock()
    first, second = a_lease(store, clock, "a"), a_lease(store, clock, "b")
    await first.acquire()
    for _ in range(20):
        assert not await second._try_to_acquire()
        await keep_for(first, clock, 1)
        assert first.may_write()


async def test_a_released_lease_is_taken_at_once() -> None:
    store, clock = Store(), Clock()
    first, second = a_lease(store, clock, "a"), a_lease(store, clock, "b")
    await first.acquire()
    await first.release()
    assert not first.may_write()
    await second.acquire()
    assert clock.now == 0.0


async def test_one_that_is_started_again_in_the_same_pod_does_not_wait() -> None:
    store, clock = Store(), Clock()
    await a_lease(store, clock, "a").acquire()
    again = a_lease(store, clock, "a")
    assert not again.may_write()
    await again.acquire()
    assert clock.now == 0.0
    assert again.may_write()


async def test_a_stopped_holder_may_not_write_when_it_goes_on_and_ends() -> None:
    store, clock = Store(), Clock()
    first, second = a_lease(store, clock, "a"), a_lease(store, clock, "b")
    await first.acquire()
    clock.now += 300
    assert not first.may_write(), "SIGSTOP for five minutes, then SIGCONT"
    await second.acquire()
    with pytest.raises(LeaseLostError, match="'b' holds it"):
        await first.keep()
    assert not first.may_write()


async def test_an_outage_stops_the_writes_and_not_the_process() -> None:
    store, clock = Store(), Clock()
    lease = a_lease(store, clock, "a")
    await lease.acquire()
    store.down = True
    await keep_for(lease, clock, 20)
    assert not lease.may_write()
    store.down = False
    await keep_for(lease, clock, 1)
    assert lease.may_write()


async def test_a_lost_answer_is_not_another_holder() -> None:
    store, clock = Store(), Clock()
    lease = a_lease(store, clock, "a")
    await lease.acquire()
    store.answers_lost = True
    await keep_for(lease, clock, 1)
    store.answers_lost = False
    await keep_for(lease, clock, 3)
    assert lease.may_write()


async def test_of_two_that_take_it_at_once_one_holds_it() -> None:
    store, clock = Store(), Clock()
    first, second = a_lease(store, clock, "a"), a_lease(store, clock, "b")

    async def make_second_too(obj: Json) -> Json:
        store.make_unfenced = Store.make_unfenced.__get__(store)  # type: ignore[method-assign]
        await second.acquire()
        return await store.make_unfenced(obj)

    store.make_unfenced = make_second_too  # type: ignore[method-assign]
    with pytest.raises(ConflictError):
        await first._try_to_acquire()
    assert (first.may_write(), second.may_write()) == (False, True)


async def test_a_deleted_lease_is_a_lost_one() -> None:
    store, clock = Store(), Clock()
    lease = a_lease(store, clock, "a")
    await lease.acquire()
    store.lease = None
    with pytest.raises(LeaseLostError):
        await lease.keep()


async def test_a_release_that_fails_is_no_error() -> None:
    store, clock = Store(), Clock()
    lease = a_lease(store, clock, "a")
    await lease.release()
    await lease.acquire()
    store.down = True
    await lease.release()
    assert not lease.may_write()


async def test_who_held_it_when_is_written_down() -> None:
    store, clock = Store(), Clock()
    await a_lease(store, clock, "a").acquire()
    await a_lease(store, clock, "b").acquire()
    assert store.lease is not None
    spec = store.lease["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"], spec["leaseDurationSeconds"]) == ("b", 1, 15)
