"""How pods are shared out in a rollout with few of them: never too many, never too few, and never stuck."""

import pytest

from afina_operator.modeldeployment.surge import Sizes, reachable, sizes

# By replicas, surge, weight, goal and the stable revision's pods now.
SIZES: dict[str, tuple[tuple[int, int | None, int, int, int], Sizes]] = {
    "all of them twice": ((4, None, 0, 10, 4), Sizes(4, 4)),
    "the canary starts with what there may be beside": ((4, 1, 0, 50, 4), Sizes(4, 1)),
    "and with no more than it needs": ((4, 3, 0, 50, 4), Sizes(4, 2)),
    "a pod of the stable revision goes": ((4, 1, 25, 50, 4), Sizes(3, 1)),
    "when it has gone one of the canary comes": ((4, 1, 25, 50, 3), Sizes(3, 2)),
    "two thirds are borne by two of three": ((3, 1, 33, 50, 3), Sizes(2, 1)),
    "a pod of the stable revision stays": ((4, 1, 100, 100, 1), Sizes(1, 4)),
    "on the way down pods of the stable revision come": ((4, 1, 50, 20, 2), Sizes(4, 2)),
}


@pytest.mark.parametrize(("given", "expected"), SIZES.values(), ids=SIZES.keys())
def test_the_pods_of_both_revisions(given: tuple[int, int | None, int, int, int], expected: Sizes) -> None:
    assert sizes(*given) == expected


# By replicas, surge, weight, goal and the canary's ready pods.
REACHABLE: dict[str, tuple[tuple[int, int | None, int, int, int], int]] = {
    "all pods are there": ((4, None, 0, 50, 1), 50),
    "as much as the pods bear": ((4, 1, 10, 50, 1), 25),
    "no more than the step says": ((4, 1, 0, 10, 1), 10),
    "a pod that fails takes nothing back": ((4, 1, 50, 75, 1), 50),
    "down at once": ((4, 1, 50, 20, 1), 20),
}


@pytest.mark.parametrize(("given", "expected"), REACHABLE.values(), ids=REACHABLE.keys())
def test_the_weight_that_the_canary_bears(given: tuple[int, int | None, int, int, int], expected: int) -> None:
    assert reachable(*given) == expected


@pytest.mark.parametrize("surge", [1, 2, 5])
def test_any_number_of_replicas_gets_there_within_its_surge(surge: int) -> None:
    for replicas in (*range(1, 130), 300, 1000):
        weight, stable = 0, replicas
        while weight < 100:
            goal = next(one for one in (10, 50, 100) if one > weight)
            wanted = sizes(replicas, surge, weight, goal, stable)
            assert max(stable, wanted.stable) + wanted.canary <= replicas + surge
            # The pods that go are gone before those come that take their place.
            wanted = sizes(replicas, surge, weight, goal, wanted.stable)
            assert wanted.stable + wanted.canary <= replicas + surge
            assert 100 * wanted.stable >= replicas * (99 - weight)
            reached = reachable(replicas, surge, weight, goal, wanted.canary)
            assert reached > weight, f"{replicas} replicas get no further than {weight}"
            assert 100 * wanted.canary >= replicas * reached
            weight, stable = reached, wanted.stable
