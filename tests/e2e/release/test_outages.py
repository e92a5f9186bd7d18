"""A search whose driver, whose node's kubelet and whose database are killed in turn."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from devcluster.paths import find_paths
from devcluster.processes import find
from e2e.jobs import counts, ended_trials, job, pods, script, succeeded, tuning_job, wait_ended, wait_for_trials
from kube import NAMESPACE, Cluster
from support.postgresql import PostgresqlServer, postgresql_server

pytestmark = pytest.mark.e2e

NAME = "outages"
TRIALS = 60
SCRIPT = 'sleep 0.5; echo "{\\"loss\\": $AFINA_PARAM_X}"'


@pytest.fixture
def database(cluster: Cluster, node_address: str) -> Iterator[PostgresqlServer]:
    """A server whose URL is in a Secret."""
    cluster.install()
    with postgresql_server(node_address) as server:
        url = {"url": f"postgresql+psycopg://{server.place}"}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME}, "stringData": url}
        cluster.apply(secret, namespace=NAMESPACE)
        yield server
        cluster.kubectl("delete", f"secret/{NAME}", f"tuningjob/{NAME}", namespace=NAMESPACE)


def kill_driver(cluster: Cluster) -> None:
    (pod,) = pods(cluster, NAMESPACE, NAME)
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force", namespace=NAMESPACE)


def restart_kubelet() -> None:
    """The dev cluster's own way: what was killed is started again by its `up`."""
    paths = find_paths(os.environ)
    record = find("kubelet", paths)
    assert record, "this test restarts the dev cluster's kubelet: it needs the dev cluster"
    os.kill(record.pid, signal.SIGKILL)
    own = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    subprocess.run([sys.executable, "-m", "devcluster", "up", "--no-images"], check=True, env=own, cwd="dev")
    again = find("kubelet", paths)
    assert again
    assert again.pid != record.pid


def test_nothing_is_lost_or_counted_twice(cluster: Cluster, database: PostgresqlServer) -> None:
    storage = {"databaseSecretRef": {"name": NAME}}
    budget = {"maxTrials": TRIALS, "parallelTrials": 2, "maxFailedTrials": 0}
    cluster.apply(tuning_job(NAME, script(SCRIPT), budget=budget, storage=storage), namespace=NAMESPACE)
    outages: list[Callable[[], None]] = [lambda: kill_driver(cluster), restart_kubelet, database.restart]
    for outage in outages:
        ended = ended_trials(job(cluster, NAMESPACE, NAME))
        wait_for_trials(cluster, NAMESPACE, NAME, ended=ended + 3)
        assert succeeded(job(cluster, NAMESPACE, NAME))["reason"] != "MaxTrialsReached"
        outage()
    found = wait_ended(cluster, NAMESPACE, NAME)
    assert succeeded(found)["reason"] == "MaxTrialsReached"
    assert counts(found) == {"total": TRIALS, "running": 0, "succeeded": TRIALS, "failed": 0, "pruned": 0}
