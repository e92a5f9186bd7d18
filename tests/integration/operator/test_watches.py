"""Watches that break: no operator may live on, look healthy, and see nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.lab import ControlPlane, Lab, a_job, eventually
from support.proxy import Proxy, Watches

pytestmark = pytest.mark.integration

NO_AUDIT = 3600.0
"""So that nothing but a watch can bring an object."""


@pytest.fixture
def proxy(control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    found = Proxy(tmp_path)
    yield found
    found.stop()


@pytest.mark.parametrize(
    "broken", [Watches.EXPIRE, Watches.FORBIDDEN, Watches.TOO_MANY, Watches.UNAVAILABLE], ids=lambda one: str(one.value)
)
def test_a_watch_that_is_refused_comes_back_by_itself(lab: Lab, proxy: Proxy, broken: Watches) -> None:
    operator = lab.working_operator(audit=NO_AUDIT, KUBECONFIG=str(proxy.kubeconfig))
    lab.apply(a_job("before"))
    lab.wait_for_job("before")
    proxy.set(broken)
    lab.apply(a_job("meanwhile"))
    eventually("both watches, and one again, meet the fault", lambda: proxy.broken > 2)
    proxy.set(Watches.WORK)
    lab.wait_for_job("meanwhile")
    lab.apply(a_job("after"))
    lab.wait_for_job("after")
    assert operator.is_alive()


def test_a_watch_that_is_gone_ends_the_process_and_the_next_one_sees_everything(lab: Lab, proxy: Proxy) -> None:
    operator = lab.working_operator(audit=NO_AUDIT, KUBECONFIG=str(proxy.kubeconfig))
    proxy.set(Watches.GONE)
    lab.apply(a_job("meanwhile"))
    assert operator.wait(60) == 1
    proxy.set(Watches.WORK)
    lab.working_operator(audit=NO_AUDIT, KUBECONFIG=str(proxy.kubeconfig))
    lab.wait_for_job("meanwhile")


def test_a_watch_that_brings_nothing_is_made_up_for_and_reported(lab: Lab, proxy: Proxy) -> None:
    operator = lab.working_operator(KUBECONFIG=str(proxy.kubeconfig))
    lab.apply(a_job("before"))
    lab.wait_for_job("before")
    assert operator.probe("/healthz") == 200
    proxy.set(Watches.BRING_NOTHING)
    lab.apply(a_job("meanwhile"))
    lab.wait_for_job("meanwhile")
    eventually("it says that it is not well", lambda: operator.probe("/healthz") == 503)
    assert "the watch of tuningjobs has missed" in operator.log()
    assert operator.metric("afina_watch_age_seconds", resource="tuningjobs") > 2
