"""The cluster of the end-to-end tests: a real one, with Afina installed from the checkout, for every namespace.

MLflow keeps its data in a PostgreSQL and its files in S3, both on this machine; with the chart's defaults, SQLite and a
volume, it is installed in `release`, whose tests come before all others, by themselves: they install and uninstall.

The other modules run side by side, each in a process; one of these installs for all. A module starts its jobs side by
side in namespaces of its own; its tests then wait for the ones they are about. All of that goes on under fire: see
chaos.py.
Nothing is skipped: without a cluster the run ends and says how to start one.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e.jobs import Json
from kube import NAMESPACE, Cluster, KubeError
from support.once import made_once
from support.order import begin_with
from support.postgresql import postgresql_server
from support.prometheus import prometheus_server
from support.s3 import KEYS, S3Place, S3Server
from support.servers import free_port
from support.web import WebServer

START_DEADLINE_SECONDS = 20
MLFLOW_BUCKET = "mlflow"
# Of this run, so that MLflow starts anew where a run before has left one that knows other servers.
_DATABASE, _ARTIFACTS = (f"e2e-mlflow-{part}-{os.getpid()}" for part in ("database", "artifacts"))
_LABEL = "afina.dev/e2e"

_FIRST = (
    "test_rollouts",
    "test_traffic",
    "test_under_fire",
    "test_searches",
    "test_automl_hardships",
    "test_life",
    "test_serving",
    "test_replicas",
    "test_automl",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The modules that wait more than they work begin, each time beside one that works."""
    begin_with(_FIRST, items)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    try:
        return Cluster.at_hand()
    except KubeError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def new_namespace(cluster: Cluster) -> Iterator[Callable[[str], str]]:
    """Makes namespaces of the restricted Pod Security level; they are deleted when the tests end."""
    serial, owner = itertools.count(), os.getpid()

    def make(purpose: str) -> str:
        name = f"e2e-{purpose}-{owner}-{next(serial)}"
        cluster.make_namespace(name)
        cluster.kubectl("label", "namespace", name, f"{_LABEL}={owner}")
        return name

    yield make
    cluster.kubectl("delete", "namespace", f"--selector={_LABEL}={owner}", "--wait=false")


@pytest.fixture(scope="session")
def node_address(cluster: Cluster) -> str:
    """The address at which pods reach servers on this machine, which is the node."""
    wanted = "-o=jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
    return cluster.kubectl("get", "nodes", wanted)


@pytest.fixture(scope="session")
def shared(cluster: Cluster, node_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Json]:
    """What there is but once: Afina, S3, Prometheus, and ports: of the web server that Datasets may read from, and of
    the collector that Prometheus scrapes.
    """
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "shared"
    with made_once(folder, lambda: _installed(cluster, node_address, folder)) as found:
        yield found


@pytest.fixture(scope="session")
def web(shared: Json, node_address: str) -> Iterator[WebServer]:
    """A web server on this machine that Datasets may read from."""
    with WebServer(node_address, shared["web"]).serving() as server:
        yield server


@pytest.fixture(scope="session")
def collector(shared: Json, node_address: str) -> Iterator[WebServer]:
    """Tells the Prometheus that canaries may be judged by what it has counted, at `/metrics`."""
    with WebServer(node_address, shared["collector"]).serving() as server:
        yield server


@pytest.fixture(scope="session")
def s3(shared: Json) -> S3Place:
    """An S3 server on this machine, for MLflow and for the buckets of tests."""
    return S3Place(shared["s3"], Path(shared["buckets"]))


@pytest.fixture(scope="session")
def afina(cluster: Cluster, shared: Json) -> Cluster:
    """The cluster with Afina in it."""
    return cluster


@contextmanager
def _installed(cluster: Cluster, node_address: str, folder: Path) -> Iterator[Json]:
    web, collector = (f"{node_address}:{free_port(node_address)}" for _ in range(2))
    with (
        S3Server(folder / "s3", node_address).serving() as s3,
        postgresql_server(node_address) as database,
        prometheus_server(folder / "prometheus", collector, node_address) as prometheus,
    ):
        s3.client().create_bucket(Bucket=MLFLOW_BUCKET)
        cluster.make_namespace(NAMESPACE)
        keys = {**KEYS, "MLFLOW_S3_ENDPOINT_URL": s3.url}
        for name, content in ((_DATABASE, {"url": f"postgresql://{database.place}"}), (_ARTIFACTS, keys)):
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}
            cluster.apply(secret, namespace=NAMESPACE)
        cluster.install(
            f"--set=mlflow.database.secretName={_DATABASE}",
            f"--set=mlflow.artifacts.secretName={_ARTIFACTS},mlflow.artifacts.destination=s3://{MLFLOW_BUCKET}/runs",
            "--set=clusterWide=true",
            "--set=ray.enabled=true",
            f"--set=operator.startDeadlineSeconds={START_DEADLINE_SECONDS}",
            f"--set=datasets.allowedHosts={{{web}}}",
            f"--set=prometheus.url={prometheus}",
        )
        ports = {"web": int(web.rpartition(":")[2]), "collector": int(collector.rpartition(":")[2])}
        yield {"s3": s3.host, "buckets": str(s3.buckets), **ports}
        cluster.kubectl("delete", "secret", _DATABASE, _ARTIFACTS, namespace=NAMESPACE)
