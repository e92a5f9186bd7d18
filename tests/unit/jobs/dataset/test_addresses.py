"""Who may be asked: nobody reaches the pod's own machine, its link or a metadata service through a URL."""

import socket
from typing import Any

import pytest

from afina_api.reasons import DatasetReason
from afina_jobs.dataset.errors import DatasetError
from afina_jobs.dataset.sources.addresses import AllowList, is_internal

INTERNAL = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.170.2", "224.0.0.1",  # noqa: S104
    "255.255.255.255",
    "240.0.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "::1", "::", "fe80::1", "fe80::1%eth0", "ff02::1",
    "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::", "2002:a9fe:a9fe::",
]  # fmt: skip
OTHERS = ["93.184.216.34", "10.96.0.10", "192.168.1.5", "2606:2800:220:1::1", "::ffff:10.0.0.1"]


@pytest.mark.parametrize("address", INTERNAL)
def test_internal_addresses_are_known(address: str) -> None:
    assert is_internal(address)


@pytest.mark.parametrize("address", OTHERS)
def test_other_addresses_are_not_internal(address: str) -> None:
    assert not is_internal(address)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to; others are taken for addresses."""
    known: dict[str, list[str]] = {"data.example": ["93.184.216.34"], "inside.example": ["127.0.0.1"]}

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known.get(host, [host])]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        (["data.example"], "https://data.example/a.csv"),
        (["DATA.example. "], "http://Data.Example./a.csv"),
        (["data.example:8443"], "https://data.example:8443/a.csv"),
        (["127.0.0.1:9"], "http://127.0.0.1:9/a"),
    ],
)
def test_what_is_on_the_list_is_allowed(entries: list[str], url: str, names: dict[str, list[str]]) -> None:
    assert AllowList(entries).destination(url).address


REFUSED = {
    "nothing is on the list": ([], "https://data.example/"),
    "another host": (["data.example"], "https://evil.example/"),
    "a host that ends alike": (["data.example"], "https://notdata.example/"),
    "a host below": (["data.example"], "https://x.data.example/"),
    "another port": (["data.example"], "http://data.example:6379/"),
    "the port of the other scheme": (["data.example"], "http://data.example:443/"),
    "a list with a port, asked without": (["data.example:8443"], "https://data.example/"),
    "a user before the host": (["data.example"], "https://data.example@evil.example/"),
    "a password for an allowed host": (["data.example"], "https://u:p@data.example/"),
    "a backslash": (["data.example"], "https://evil.example\\@data.example/"),
    "another scheme": (["data.example"], "ftp://data.example/a"),
    "a file": (["data.example"], "file:///etc/passwd"),
    "no host": (["data.example"], "https:///a"),
    "a port that is none": (["data.example"], "https://data.example:99999/"),
    "letters that look alike": (["data.example"], "https://d\u0430ta.example/"),
    "an allowed name with an internal address": (["inside.example"], "http://inside.example/"),
    "an internal address in decimal": (["data.example"], "http://2130706433/"),
    "an internal address on its own": (["data.example"], "http://169.254.169.254/latest/meta-data"),
    "a metadata service by IPv6": (["data.example"], "http://[fd00:ec2::254]/"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_on_the_list_is_refused(case: str, names: dict[str, list[str]]) -> None:
    entries, url = REFUSED[case]
    with pytest.raises(DatasetError) as refused:
        AllowList(entries).destination(url)
    assert refused.value.reason == DatasetReason.SOURCE_NOT_ALLOWED


def test_one_internal_address_among_several_is_refused(names: dict[str, list[str]]) -> None:
    names["data.example"] = ["93.184.216.34", "169.254.169.254"]
    with pytest.raises(DatasetError, match=r"169\.254\.169\.254"):
        AllowList(["data.example"]).destination("https://data.example/")


def test_the_refusal_names_the_list_and_the_remedy(names: dict[str, list[str]]) -> None:
    with pytest.raises(DatasetError, match=r"\(data\.example\).*datasets\.allowedHosts"):
        AllowList(["data.example"]).destination("https://evil.example/")
