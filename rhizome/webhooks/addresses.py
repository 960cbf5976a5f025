"""Which addresses a webhook may be sent to: public ones, and what the operator excepts. Pure functions of an address.

A URL given by a caller must not reach what only this machine can reach: the metadata service of a cloud, Redis, an
intranet (server-side request forgery). See "Server Side Request Forgery Prevention", https://cheatsheetseries.owasp.org.
"""

import ipaddress
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: The special-purpose blocks of the IANA registry (RFC 6890 and its updates), multicast and class E. Written out,
#: because what `ipaddress` calls global differs between releases of Python.
_SPECIAL_V4 = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata service at 100.100.100.200
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; metadata services at 169.254.169.254 and 169.254.170.2
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
#: Azure's WireServer: public by its number, but within Azure the platform's own service (guest agent, certificates).
_WIRE_SERVER = IPv4Address("168.63.129.16")
#: Of IPv6 only this is assigned for global use; loopback, link-local, unique-local and multicast lie outside.
_GLOBAL_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # Teredo, benchmarking, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address of anybody's choice is inside
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
#: These only wrap an IPv4 address, which is then what counts.
_WRAPPING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")


def is_public(address: Address) -> bool:
    """Whether anybody on the internet may be behind this address."""
    if isinstance(address, IPv6Address):
        if any(address in network for network in _WRAPPING):
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        return address in _GLOBAL_V6 and not any(address in network for network in _SPECIAL_V6)
    return address != _WIRE_SERVER and not any(address in network for network in _SPECIAL_V4)


class Allowances(NamedTuple):
    """What may be reached although it is not public.

    Attributes:
        everything: no address is refused.
        networks: their addresses are accepted.
        hosts: names whose addresses are accepted, whatever they are.
    """

    everything: bool = False
    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    def allow(self, host: str, address: Address) -> bool:
        """Whether a webhook to `host`, which resolved to `address`, may connect to it."""
        if self.everything or host in self.hosts or is_public(address):
            return True
        return any(address.version == network.version and address in network for network in self.networks)


def parse_allowances(text: str) -> Allowances:
    """Reads `true`, `false`, or a list of addresses, networks (CIDR) and host names, separated by commas.

    Raises:
        ValueError: an item is none of these.
    """
    items = [item.strip().lower() for item in text.split(",") if item.strip()]
    if items in (["true"], ["false"]):
        return Allowances(everything=items == ["true"])
    networks: list[Network] = []
    hosts = set()
    for item in items:
        try:
            networks.append(ipaddress.ip_network(item))
        except ValueError:
            if re.fullmatch(r"[\d./:]+", item) or not _HOST.fullmatch(item):
                raise ValueError("needs true, false, or addresses, CIDR networks and host names with commas") from None
            hosts.add(item)
    return Allowances(False, tuple(networks), frozenset(hosts))
