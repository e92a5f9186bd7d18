from pathlib import Path

import pytest

from devcluster.console import DevClusterError
from devcluster.paths import find_paths

ROOTS = {
    "home": ({"HOME": "/home/a"}, "/home/a/.cache/afina"),
    "xdg": ({"HOME": "/home/a", "XDG_CACHE_HOME": "/x"}, "/x/afina"),
    "ours wins": ({"HOME": "/home/a", "XDG_CACHE_HOME": "/x", "AFINA_CACHE": "/big/disk"}, "/big/disk"),
    "empty is unset": ({"HOME": "/home/a", "XDG_CACHE_HOME": "", "AFINA_CACHE": ""}, "/home/a/.cache/afina"),
}


@pytest.mark.parametrize(("environ", "root"), ROOTS.values(), ids=ROOTS.keys())
def test_the_root_follows_the_environment(environ: dict[str, str], root: str) -> None:
    assert find_paths(environ).root == Path(root)


def test_a_root_too_long_for_sockets_is_refused() -> None:
    with pytest.raises(DevClusterError, match="set AFINA_CACHE to a shorter path"):
        find_paths({"AFINA_CACHE": "/" + "long/" * 20})
