"""Walks through everything that can happen, from one world to all that can be reached from it."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")


@dataclass(frozen=True)
class Model(Generic[S]):
    """What can happen in a world, and what must hold in it."""

    key: Callable[[S], Hashable]
    """Two worlds of the same key have the same future."""
    steps: Callable[[S], Iterable[tuple[str, S]]]
    """Each thing that can happen next, by its name, with the world after it. Raises AssertionError where an invariant
    breaks on the way."""
    check: Callable[[S], None]
    """Raises AssertionError if a world is not as every world must be. Each is looked at once."""
    settle: Callable[[S], S | None]
    """The next world when nothing more goes wrong; None when all is at rest."""
    check_settled: Callable[[S], None]
    """Raises AssertionError if a world at rest is not as it should be."""


@dataclass
class Found:
    """What an exploration saw."""

    worlds: int = 0
    steps: int = 0


class BrokenError(AssertionError):
    """An invariant broke; the message tells the way to it."""


def explore(start: S, model: Model[S], limit: int = 1_000_000, longest_rest: int = 200) -> Found:
    """Go every way from the start, and from every world on settle.

    Args:
        start: the first world.
        model: what can happen.
        limit: so many worlds are more than there should be.
        longest_rest: so many undisturbed steps must be enough to come to rest.

    Raises:
        BrokenError: with the names of the steps that lead there.
    """
    found = Found()
    ways: dict[Hashable, tuple[Hashable, str] | None] = {model.key(start): None}
    good: set[Hashable] = set()
    waiting = deque([start])
    while waiting:
        world = waiting.popleft()
        here = model.key(world)
        found.worlds += 1
        assert found.worlds <= limit, f"more than {limit} worlds: the model does not end"
        step = "?"
        try:
            _settle(world, model, good, longest_rest)
            for step, after in model.steps(world):
                found.steps += 1
                key = model.key(after)
                if key not in ways:
                    model.check(after)
                    ways[key] = (here, step)
                    waiting.append(after)
        except AssertionError as error:
            raise BrokenError(f"{error}\nafter: {' > '.join(_way(ways, here))}, then a step after {step!r}") from error
    return found


def _settle(world: S, model: Model[S], good: set[Hashable], longest: int) -> None:
    """Every world must come to rest well; worlds that are on a way seen before need not be followed again."""
    path: list[Hashable] = []
    current: S | None = world
    while current is not None:
        key = model.key(current)
        if key in good:
            break
        assert len(path) < longest, "it does not come to rest"
        path.append(key)
        model.check(current)
        after = model.settle(current)
        if after is None:
            model.check_settled(current)
        current = after
    good.update(path)


def _way(ways: dict[Hashable, tuple[Hashable, str] | None], key: Hashable) -> list[str]:
    names: list[str] = []
    while (before := ways[key]) is not None:
        key, name = before
        names.append(name)
    return names[::-1]
