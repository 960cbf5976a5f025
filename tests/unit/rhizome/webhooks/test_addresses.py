"""Which addresses a webhook may reach."""

import ipaddress

import pytest

from rhizome.webhooks.addresses import is_public, parse_allowances

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "223.255.255.255",
    "168.63.129.15",
    "168.63.129.17",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "::ffff:168.63.129.16",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


def test_nothing_that_is_not_public_is_allowed_by_default() -> None:
    allowances = parse_allowances("false")

    assert allowances.allow("example.com", ipaddress.ip_address("8.8.8.8"))
    assert not allowances.allow("example.com", ipaddress.ip_address("10.0.0.1"))


@pytest.mark.parametrize(
    ("text", "host", "address", "is_allowed"),
    [
        ("true", "any", "127.0.0.1", True),
        ("10.0.0.0/8", "any", "10.1.2.3", True),
        ("10.0.0.0/8", "any", "192.168.0.1", False),
        ("10.0.0.0/8", "any", "fd00::1", False),
        ("10.0.0.0/8, fd00::/8", "any", "fd00::1", True),
        ("10.0.0.7", "any", "10.0.0.7", True),
        ("receiver.internal", "receiver.internal", "10.0.0.1", True),
        ("Receiver.Internal", "receiver.internal", "10.0.0.1", True),
        ("receiver.internal", "other.internal", "10.0.0.1", False),
        ("receiver.internal", "evil.receiver.internal", "10.0.0.1", False),
        ("", "any", "127.0.0.1", False),
    ],
)
def test_an_operator_may_allow_networks_and_hosts(text: str, host: str, address: str, is_allowed: bool) -> None:
    assert parse_allowances(text).allow(host, ipaddress.ip_address(address)) is is_allowed


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0", "300.1.1.1", "a b", "http://receiver", "true,false;"])
def test_an_allowance_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="needs true, false"):
        parse_allowances(text)
