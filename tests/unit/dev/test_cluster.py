import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from devcluster import cluster, network
from devcluster.console import DevClusterError, Timeline
from devcluster.paths import Paths

VERBS: dict[str, Callable[[Paths], None]] = {"up": lambda paths: cluster.up(paths, Timeline()), "down": cluster.down}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS.keys())
def test_the_cluster_of_another_cache_is_not_touched(
    verb: Callable[[Paths], None], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "owner", lambda: Path("/elsewhere/afina"))
    with pytest.raises(DevClusterError, match="take it down first, with AFINA_CACHE=/elsewhere/afina"):
        verb(paths)


def test_where_there_is_no_cluster_down_touches_nothing(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "owner", lambda: None)
    monkeypatch.setattr(network, "down", lambda _: pytest.fail("the kernel was touched"))
    cluster.down(paths)
    assert list(paths.root.iterdir()) == []


def test_kuberay_belongs_to_the_cluster_from_when_it_was_asked_for(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.status(paths)
    assert "kuberay" not in capsys.readouterr().out
    record = paths.cluster / "processes" / "kuberay.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"pid": 1, "started": 0, "fingerprint": ""}))
    cluster.status(paths)
    assert re.search("kuberay +not running", capsys.readouterr().out)
