"""Datasets from every source, and of bad files of every kind that a ConfigMap can hold, in pods."""

import base64
import json
import re
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from e2e.datasets import dataset, verdict, wait_ended
from e2e.jobs import Json, condition
from kube import Cluster
from support.bad_files import CONFIG_MAP_BYTES, READ, REFUSED, ROWS, huge_png
from support.s3 import KEYS, S3Place
from support.web import WebServer, body, redirect

pytestmark = pytest.mark.e2e

_ACCEPTED = ("True", "Accepted")
_PROGRAM = f"""
import pathlib
folder = pathlib.Path("/data/tables")
folder.mkdir()
(folder / "people.csv").write_text({ROWS!r})
(folder / "link.csv").symlink_to("/etc/passwd")
"""


def _one_of_each(kinds: Mapping[str, Hashable]) -> list[str]:
    """The first case of each kind: what every one of them says, the unit tests show."""
    first: dict[Hashable, str] = {}
    for case, kind in kinds.items():
        first.setdefault(kind, case)
    return list(first.values())


_SMALL = {case: content for case, bad in REFUSED.items() if len(content := bad.content()) <= CONFIG_MAP_BYTES}
REFUSED_HERE = {case: _SMALL[case] for case in _one_of_each({case: REFUSED[case].reason for case in _SMALL})}
READ_HERE = {
    case: READ[case].content
    for case in _one_of_each(
        {case: (bool(bad.rejected), bad.format) for case, bad in READ.items() if bad.rejected or bad.finding}
    )
}
"""Those of which there is something to tell."""


@pytest.fixture(scope="module")
def bad_files(afina: Cluster, new_namespace: Callable[[str], str]) -> str:
    """A namespace with a Dataset of each."""
    namespace = new_namespace("files")
    objects: list[Json] = []
    for case, content in {**REFUSED_HERE, **READ_HERE}.items():
        name = _name(case)
        binary = {"file": base64.b64encode(content).decode()}
        objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": binary})
        format_ = REFUSED[case].format if case in REFUSED else READ[case].format
        objects.append(dataset(name, {"configMap": {"name": name, "key": "file"}}, format_))
    # Not by the client, which would write each file a second time, into an annotation.
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    afina.kubectl("apply", "--server-side", "-f", "-", namespace=namespace, stdin=listed)
    return namespace


@pytest.mark.parametrize("case", REFUSED_HERE)
def test_says_what_is_wrong_with_a_bad_file(case: str, afina: Cluster, bad_files: str) -> None:
    found = wait_ended(afina, bad_files, "dataset", _name(case))
    assert verdict(found) == ("False", REFUSED[case].reason), found["status"]
    for words in REFUSED[case].says:
        assert words in condition(found, "Ready")["message"]


@pytest.mark.parametrize("case", READ_HERE)
def test_reads_what_can_be_read_of_a_bad_file(case: str, afina: Cluster, bad_files: str) -> None:
    bad = READ[case]
    found = wait_ended(afina, bad_files, "dataset", _name(case))
    assert verdict(found) == _ACCEPTED, found["status"]
    assert found["status"]["rows"] == bad.rows
    assert {one["reason"]: one["count"] for one in found["status"].get("rejected", [])} == bad.rejected
    assert not bad.finding or bad.finding in {one["rule"] for one in found["status"]["findings"]}


@pytest.fixture(scope="module")
def sources(afina: Cluster, web: WebServer, s3: S3Place, new_namespace: Callable[[str], str]) -> str:
    """A namespace with Datasets from servers on this machine and from a volume."""
    namespace = new_namespace("sources")
    _fill(s3)
    web.answers |= {"/people.csv": body(ROWS.encode()), "/moved": redirect(f"{web.url}/people.csv")}
    web.answers["/trap"] = redirect("http://169.254.169.254/latest/meta-data/")
    afina.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "lake"}, "stringData": KEYS},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "wrong"},
            "stringData": KEYS | {"AWS_SECRET_ACCESS_KEY": "wrong"},
        },
        *_filled_volume(afina.images["runtime"]),
        namespace=namespace,
    )
    afina.kubectl("wait", "pod/writer", "--for=jsonpath={.status.phase}=Succeeded", namespace=namespace)
    afina.apply(*_datasets(s3.url, web.url), namespace=namespace)
    return namespace


def _datasets(s3: str, web: str) -> list[Json]:
    def on_s3(key: str, secret: str = "lake") -> Json:  # noqa: S107 - a Secret's name
        return {"s3": {"bucket": "lake", "key": key, "endpointUrl": s3, "secretRef": {"name": secret}}}

    def on_volume(path: str) -> Json:
        return {"volume": {"claimRef": {"name": "raw"}, "path": path}}

    photos = {"minWidth": 32, "minHeight": 32, "minQuality": 0}
    return [
        dataset("s3", on_s3("tables/people.csv")),
        dataset("s3-images", on_s3("photos"), "Images", images=photos),
        dataset("s3-wrong-keys", on_s3("tables/people.csv", "wrong")),
        dataset("s3-no-secret", on_s3("tables/people.csv", "nowhere")),
        dataset("s3-inside", {"s3": {"bucket": "latest", "key": "meta-data", "endpointUrl": "http://169.254.169.254"}}),
        dataset("http", {"http": {"url": f"{web}/people.csv"}}),
        dataset("http-moved", {"http": {"url": f"{web}/moved"}}),
        dataset("http-trap", {"http": {"url": f"{web}/trap"}}),
        dataset("http-elsewhere", {"http": {"url": "https://data.example/people.csv"}}),
        dataset("volume", on_volume("tables/people.csv")),
        dataset("volume-no-file", on_volume("tables/none.csv")),
        dataset("volume-link", on_volume("tables/link.csv")),
    ]


@pytest.mark.parametrize("name", ["s3", "http", "http-moved", "volume"])
def test_reads_a_table_from(name: str, afina: Cluster, sources: str) -> None:
    found = wait_ended(afina, sources, "dataset", name)
    assert verdict(found) == _ACCEPTED, found["status"]
    assert (found["status"]["rows"], found["status"]["bytes"]) == (3, len(ROWS))


def test_the_digest_is_the_same_from_everywhere(afina: Cluster, sources: str) -> None:
    names = ("s3", "http", "http-moved", "volume")
    digests = {wait_ended(afina, sources, "dataset", name)["status"]["digest"] for name in names}
    assert len(digests) == 1


def test_reads_images_from_s3_and_leaves_bad_ones_out(afina: Cluster, sources: str) -> None:
    found = wait_ended(afina, sources, "dataset", "s3-images")
    assert verdict(found) == _ACCEPTED, found["status"]
    assert found["status"]["rows"] == 1
    rejected = {one["reason"]: one["count"] for one in found["status"]["rejected"]}
    assert rejected == {"UnreadableImage": 1, "TooManyPixels": 1}


# What a server says, the integration tests show; here it is what the cluster adds.
REFUSALS = {
    "s3-wrong-keys": ("SourceNotAllowed", "check the keys in secretRef"),
    "s3-no-secret": ("PodCannotStart", "nowhere"),
    "s3-inside": ("SourceNotAllowed", "169.254.169.254"),
    "http-trap": ("SourceNotAllowed", "169.254.169.254:80 is not on "),
    "http-elsewhere": ("SourceNotAllowed", "datasets.allowedHosts"),
    "volume-no-file": ("SourceUnavailable", "there is no file 'tables/none.csv'"),
    "volume-link": ("SourceNotAllowed", "is outside of what is mounted"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_says_what_is_wrong_with_a_source(name: str, afina: Cluster, sources: str) -> None:
    reason, words = REFUSALS[name]
    found = wait_ended(afina, sources, "dataset", name)
    assert verdict(found) == ("False", reason), found["status"]
    assert words in condition(found, "Ready")["message"]


def _fill(server: S3Place) -> None:
    server.client().create_bucket(Bucket="lake")
    tables, photos = server.buckets / "lake" / "tables", server.buckets / "lake" / "photos"
    tables.mkdir()
    (tables / "people.csv").write_text(ROWS)
    photos.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(photos / "good.png")
    _cut_off(photos / "good.png", photos / "cut.png")
    (photos / "huge.png").write_bytes(huge_png())
    (photos / "labels.csv").write_text("file,label\ngood.png,a\ncut.png,b\nhuge.png,b\n")


def _cut_off(whole: Path, part: Path) -> None:
    content = whole.read_bytes()
    part.write_bytes(content[: len(content) // 2])


def _filled_volume(image: str) -> list[Json]:
    """A claim, and a pod that writes files to its volume."""
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "raw"}, "spec": storage}
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    writer = {
        "name": "writer",
        "image": image,
        "command": ["python3", "-c", _PROGRAM],
        "securityContext": security,
        "volumeMounts": [{"name": "raw", "mountPath": "/data"}],
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [writer],
        "volumes": [{"name": "raw", "persistentVolumeClaim": {"claimName": "raw"}}],
    }
    return [claim, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer"}, "spec": pod}]


def _name(case: str) -> str:
    return re.sub("[^a-z0-9]+", "-", case.lower()).strip("-")
