"""The cluster of the end-to-end tests: a real one, with Afina installed from the checkout, for every namespace.

MLflow keeps its data in a PostgreSQL and its files in S3, both on this machine; with the chart's defaults, SQLite and a
volume, it is installed in test_chart.

Each module starts its jobs side by side in namespaces of its own; its tests then wait for the ones they are about.
test_chart comes first, since it uninstalls; test_under_fire last, since its job takes longest.
Nothing is skipped: without a cluster the run ends and says how to start one.
"""

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from e2e.chaos import Chaos
from kube import NAMESPACE, Cluster, KubeError
from support.postgresql import postgresql_server
from support.s3 import KEYS, S3Server
from support.web import WebServer

START_DEADLINE_SECONDS = 20
MLFLOW_BUCKET = "mlflow"
# Of this run, so that MLflow starts anew where a run before has left one that knows other servers.
_DATABASE, _ARTIFACTS = (f"e2e-mlflow-{part}-{os.getpid()}" for part in ("database", "artifacts"))
_LABEL = "afina.dev/e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the modules; see above."""
    items.sort(key=lambda item: (item.path.stem == "test_under_fire", item.path.stem != "test_chart"))


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    try:
        return Cluster.at_hand()
    except KubeError as error:
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def new_namespace(cluster: Cluster) -> Iterator[Callable[[str], str]]:
    """Makes namespaces of the restricted Pod Security level; they are deleted when the tests end."""
    serial = itertools.count()

    def make(purpose: str) -> str:
        name = f"e2e-{purpose}-{os.getpid()}-{next(serial)}"
        cluster.make_namespace(name)
        cluster.kubectl("label", "namespace", name, f"{_LABEL}=true")
        return name

    yield make
    cluster.kubectl("delete", "namespace", f"--selector={_LABEL}", "--wait=false")


@pytest.fixture(scope="session")
def node_address(cluster: Cluster) -> str:
    """The address at which pods reach servers on this machine, which is the node."""
    wanted = "-o=jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
    return cluster.kubectl("get", "nodes", wanted)


@pytest.fixture(scope="session")
def web(node_address: str) -> Iterator[WebServer]:
    """A web server on this machine that Datasets may read from."""
    with WebServer(node_address).serving() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server(node_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server on this machine, for MLflow and for the buckets of tests."""
    with S3Server(tmp_path_factory.mktemp("s3"), node_address).serving() as server:
        yield server


@pytest.fixture(scope="session")
def mlflow_stores(cluster: Cluster, node_address: str, s3_server: S3Server) -> Iterator[list[str]]:
    """Helm's options for an MLflow on PostgreSQL and S3."""
    s3_server.client().create_bucket(Bucket=MLFLOW_BUCKET)
    with postgresql_server(node_address) as place:
        cluster.make_namespace(NAMESPACE)
        keys = {**KEYS, "MLFLOW_S3_ENDPOINT_URL": s3_server.url}
        for name, content in ((_DATABASE, {"url": f"postgresql://{place}"}), (_ARTIFACTS, keys)):
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}
            cluster.apply(secret, namespace=NAMESPACE)
        yield [
            f"--set=mlflow.database.secretName={_DATABASE}",
            f"--set=mlflow.artifacts.secretName={_ARTIFACTS},mlflow.artifacts.destination=s3://{MLFLOW_BUCKET}/runs",
        ]
        cluster.kubectl("delete", "secret", _DATABASE, _ARTIFACTS, namespace=NAMESPACE)


@pytest.fixture(scope="session")
def installed(cluster: Cluster, web: WebServer, mlflow_stores: list[str]) -> Cluster:
    """The cluster with Afina in it."""
    cluster.install(
        *mlflow_stores,
        "--set=clusterWide=true",
        f"--set=operator.startDeadlineSeconds={START_DEADLINE_SECONDS}",
        f"--set=datasets.allowedHosts={{{web.host}}}",
    )
    return cluster


@pytest.fixture(scope="session")
def afina(installed: Cluster, request: pytest.FixtureRequest) -> Cluster:
    """The same, with the killings under way if a test of this run is about them: they take their time."""
    if any("chaos" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("chaos")
    return installed


@pytest.fixture(scope="session")
def chaos(installed: Cluster, new_namespace: Callable[[str], str]) -> Chaos:
    """Kills the driver of one job and the operator, while other tests run."""
    found = Chaos(installed, new_namespace("chaos"))
    found.start()
    return found
