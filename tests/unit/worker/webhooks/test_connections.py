"""Connections go only to addresses that were checked, whatever the resolver says next."""

import threading
import time
from collections.abc import Callable

import httpcore
import pytest

from rhizome.webhooks.addresses import Allowances, parse_allowances
from tests.support.webhooks import Receiver
from worker.webhooks.connections import (
    CheckedBackend,
    Deadline,
    ForbiddenAddress,
    OutOfTime,
    UnknownHost,
    resolve_host,
)

NOBODY, EVERYBODY = parse_allowances("false"), parse_allowances("true")


def backend(
    answer: Callable[[str, int], list[str]] | list[str], allowances: Allowances = NOBODY, seconds: float = 5.0
) -> CheckedBackend:
    resolve = answer if callable(answer) else lambda host, port: list(answer)
    return CheckedBackend(allowances, Deadline(seconds), resolve)


def port_of(receiver: Receiver) -> int:
    return int(receiver.url.rpartition(":")[2].partition("/")[0])


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["2606:4700:4700::1111", "::1"],
        ["::ffff:169.254.169.254"],
        ["fe80::1%eth0"],
        ["64:ff9b::a00:1"],
        ["100.64.0.1"],
    ],
)
def test_a_name_with_any_address_that_is_not_public_is_refused(receiver: Receiver, addresses: list[str]) -> None:
    with pytest.raises(ForbiddenAddress) as refusal:
        backend(addresses).connect_tcp("receiver.example", port_of(receiver))

    assert not any(address in str(refusal.value) for address in addresses)


def test_a_name_is_resolved_once_so_that_it_cannot_turn_into_another(receiver: Receiver) -> None:
    asked = []

    def rebind(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.255.255.1"]

    allowances = parse_allowances("127.0.0.1")
    stream = backend(rebind, allowances).connect_tcp("receiver.example", port_of(receiver))

    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    stream.close()
    assert asked == ["receiver.example"]
    with pytest.raises(ForbiddenAddress):
        backend(rebind, allowances).connect_tcp("receiver.example", port_of(receiver))


def test_an_address_that_does_not_answer_gives_way_to_the_next(receiver: Receiver) -> None:
    stream = backend(["127.0.0.2", "127.0.0.1"], EVERYBODY).connect_tcp("receiver.example", port_of(receiver))

    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    stream.close()


def test_where_no_address_answers_the_last_error_is_raised(receiver: Receiver) -> None:
    with pytest.raises(httpcore.ConnectError):
        backend(["127.0.0.2", "127.0.0.3"], EVERYBODY).connect_tcp("receiver.example", port_of(receiver))


def test_a_resolver_that_is_silent_ends_with_the_attempt() -> None:
    released = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        released.wait(30)
        return []

    begun = time.monotonic()
    with pytest.raises(OutOfTime):
        backend(hang, seconds=0.1).connect_tcp("receiver.example", 80)
    released.set()

    assert time.monotonic() - begun < 10


def test_a_name_that_does_not_resolve_is_told() -> None:
    with pytest.raises(UnknownHost):
        backend(resolve_host).connect_tcp("no-such-host.invalid", 80)


def test_the_resolver_of_this_machine_gives_every_address() -> None:
    assert "127.0.0.1" in resolve_host("localhost", 80)
    assert resolve_host("127.1", 80) == ["127.0.0.1"]
