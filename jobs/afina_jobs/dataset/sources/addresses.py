"""Which hosts and addresses may be asked: nobody gets at the pod's own network through a URL.

The allow-list has hosts, each `HOST` (for the ports 80 and 443) or `HOST:PORT`. An address of this machine, of its
link (there are the clouds' metadata services) or of no machine is refused, even if a host on the list resolves to it,
unless the list has that address itself, or the name `localhost`.
"""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from afina_api.reasons import DatasetReason
from afina_jobs.dataset.errors import DatasetError
from afina_jobs.dataset.sources.base import TemporaryError

_USUAL_PORTS = {"http": 80, "https": 443}
_METADATA = frozenset(("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
"""Metadata services that are not on the link: of Alibaba, Azure, Oracle, and of Amazon by IPv6."""
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Destination:
    """A host that may be asked, and the one address at which."""

    url: SplitResult
    host: str
    port: int
    address: str


class AllowList:
    """The hosts that the installation lets Datasets read from."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = frozenset(entry.strip().lower().rstrip(".") for entry in entries if entry.strip())

    def __str__(self) -> str:
        return ", ".join(sorted(self._entries)) or "no host"

    def destination(self, url: str) -> Destination:
        """The destination of a URL, looked up once.

        Raises:
            DatasetError: its scheme, host, port or address is not allowed.
            TemporaryError: the host's name cannot be looked up.
        """
        parts, host, port = _parsed(url)
        if host not in self._entries_for(port, parts.scheme):
            remedy = "in a cluster, an administrator adds it to datasets.allowedHosts in the chart's values"
            raise refused(f"{host}:{port} is not on the installation's list ({self}); {remedy}")
        return Destination(parts, host, port, self._address(host, port))

    def endpoint(self, url: str) -> Destination:
        """The destination of a server that need not be on the list, looked up once.

        Raises:
            DatasetError: its scheme, port or address is not allowed.
            TemporaryError: the host's name cannot be looked up.
        """
        parts, host, port = _parsed(url)
        return Destination(parts, host, port, self._address(host, port))

    def _address(self, host: str, port: int) -> str:
        """An address of a host that may be asked.

        Raises:
            DatasetError: one of its addresses may not be asked.
            TemporaryError: the host's name cannot be looked up.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise TemporaryError(f"the host {host} cannot be looked up: {error}") from error
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if is_internal(address) and not self._names(host, address, port):
                raise refused(f"{host} is {address}, an address within the cluster's own machines, and may not be read")
        return addresses[0]

    def _names(self, host: str, address: str, port: int) -> bool:
        """Whether the list has an internal address itself."""
        known = {host, f"{host}:{port}"} if host in ("localhost", address) else set()
        return bool(known & self._entries)

    def _entries_for(self, port: int, scheme: str) -> set[str]:
        usual = port == _USUAL_PORTS[scheme]
        with_port = {entry.removesuffix(f":{port}") for entry in self._entries if entry.endswith(f":{port}")}
        return with_port | (set(self._entries) if usual else set())


def is_internal(text: str) -> bool:
    """Whether an address is this machine's, its link's, a metadata service's, or of no single machine."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address in _TRANSLATED:
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        else:
            address = address.ipv4_mapped or address.sixtofour or address
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or str(address) in _METADATA
        or address in ipaddress.ip_network("0.0.0.0/8")
    )


def refused(message: str) -> DatasetError:
    """The source may not be read."""
    return DatasetError(DatasetReason.SOURCE_NOT_ALLOWED, message)


def _parsed(url: str) -> tuple[SplitResult, str, int]:
    """A URL, its host and its port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise refused(f"the URL's host or port is none: {error}") from error
    if parts.scheme not in _USUAL_PORTS:
        raise refused(f"URLs begin with http:// or https://, not {parts.scheme}:")
    if "@" in parts.netloc or "\\" in parts.netloc:
        raise refused("a URL may not hold a user or a password")
    if not host or not parts.netloc.isascii():
        raise refused("the URL names no host in ASCII: write other letters as xn--")
    return parts, host.rstrip("."), port or _USUAL_PORTS[parts.scheme]
