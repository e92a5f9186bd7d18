import json
import re
import ssl
import subprocess
import tomllib
from pathlib import Path

import pytest

from devcluster import addons, certificates, components, configs, network, tools
from devcluster.paths import Paths
from devcluster.processes import Component


@pytest.fixture
def every_component(paths: Paths) -> list[Component]:
    groups = components.all_of_them(paths, tools.locate(components.TOOLS, paths), "registry/shell:1")
    kuberay = components.kuberay(paths, tools.locate(components.KUBERAY_TOOLS, paths))
    return [*(component for group in groups for component in group), kuberay]


def test_containerd_keeps_images_apart_from_what_goes_with_the_cluster(paths: Paths) -> None:
    config = tomllib.loads(configs.containerd(paths, "registry/shell:1"))
    assert config["root"] == str(paths.containerd)
    assert Path(config["state"]).is_relative_to(paths.cluster)
    assert not paths.containerd.is_relative_to(paths.cluster)
    assert config["plugins"]["io.containerd.grpc.v1.cri"]["sandbox_image"] == "registry/shell:1"


def test_all_that_json_is_meant_to_be_is_json(paths: Paths) -> None:
    texts = [
        configs.kubelet(paths),
        configs.cni(paths),
        configs.registry(paths),
        configs.prometheus(),
    ]
    assert [text for text in texts if not isinstance(json.loads(text), dict)] == []


def test_every_component_has_its_own_name(every_component: list[Component]) -> None:
    names = [component.name for component in every_component]
    assert len(names) == len(set(names))


def test_no_component_is_open_to_other_machines(every_component: list[Component]) -> None:
    listen = ["listen", "bind", "address"]
    flags = [flag for component in every_component for flag in component.argv if any(word in flag for word in listen)]
    addresses = [address for flag in flags for address in re.findall(r"\d+\.\d+\.\d+\.\d+", flag)]
    assert addresses != []
    assert [a for a in addresses if not (a.startswith("127.0.0.") or a == network.NODE_IP)] == []


def test_every_config_file_lies_with_the_cluster(every_component: list[Component], paths: Paths) -> None:
    files = [file for component in every_component for file in component.files]
    assert files != []
    assert [file for file in files if not file.is_relative_to(paths.cluster)] == []


def test_certificates_are_signed_by_the_authority_and_made_once(paths: Paths) -> None:
    certificates.make(paths)
    made = [paths.pki / f"{certificate.name}.crt" for certificate in certificates.CERTIFICATES]
    before = [file.read_bytes() for file in made]
    certificates.make(paths)
    assert [file.read_bytes() for file in made] == before
    subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", paths.ca_certificate, *made], check=True, capture_output=True
    )
    context = ssl.create_default_context(cafile=str(paths.ca_certificate))
    context.load_cert_chain(paths.pki / "admin.crt", paths.pki / "admin.key")


def test_the_metrics_server_is_found_under_the_name_that_its_certificate_has() -> None:
    service, endpoints, api = addons.metrics_objects(b"authority")
    place = api["spec"]["service"]
    (certificate,) = [one for one in certificates.CERTIFICATES if one.name == "metrics-server"]
    assert f"DNS:{place['name']}.{place['namespace']}.svc" in certificate.alternative_names
    assert service["metadata"] == place
    assert endpoints["metadata"]["labels"] == {"kubernetes.io/service-name": place["name"]}
    assert [one["name"] for one in endpoints["ports"]] == [one["name"] for one in service["spec"]["ports"]]


def test_a_kubeconfig_is_whole_and_private(paths: Paths) -> None:
    certificates.make(paths)
    kubeconfig = json.loads(paths.kubeconfig.read_text())
    assert kubeconfig["users"][0]["user"].keys() == {"client-certificate-data", "client-key-data"}
    assert paths.kubeconfig.stat().st_mode & 0o077 == 0
    assert (paths.pki / "ca.key").stat().st_mode & 0o077 == 0
