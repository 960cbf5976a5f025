"""Connections to receivers: only to addresses that were checked, and never for longer than an attempt may take.

The name is resolved here, every address it has is checked, and the connection goes to one of these very addresses; so
a name that resolves to something else a moment later (DNS rebinding) changes nothing. TLS and the Host header keep the
name. httpcore, which httpx is built on, lets a network backend do this; it follows no redirect and knows no proxy.
"""

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from rhizome.errors import RhizomeError
from rhizome.webhooks.addresses import Address, Allowances

CONNECT_SECONDS = 3.0  #: to each of the addresses
MAX_ADDRESSES = 4  #: tried one after the other

#: Names to addresses, such as `socket.getaddrinfo` gives.
Resolve = Callable[[str, int], list[str]]


class ForbiddenAddress(RhizomeError):
    """The receiver's name resolves to an address that webhooks may not reach; which one is not told."""

    code = "forbidden_address"


class UnknownHost(RhizomeError):
    """The receiver's name does not resolve, at least now."""

    code = "unknown_host"


class OutOfTime(RhizomeError):
    """The attempt has taken as long as it may."""

    code = "timeout"


class Deadline:
    """When an attempt must be over; `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def bound(self, timeout: float | None = None) -> float:
        """What is left, `timeout` at most.

        Raises:
            OutOfTime: nothing is left.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise OutOfTime("the attempt has taken as long as it may")
        return left if timeout is None else min(left, timeout)


class CheckedBackend(httpcore.NetworkBackend):
    """Opens the connections of one attempt.

    Args:
        allowances: what may be reached although it is not public.
        deadline: of the attempt.
        resolve: names to addresses.
    """

    def __init__(self, allowances: Allowances, deadline: Deadline, resolve: Resolve) -> None:
        self._allowances = allowances
        self._deadline = deadline
        self._resolve = resolve
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connects to one of the host's addresses, if all of them may be reached.

        Raises:
            ForbiddenAddress: one may not.
            UnknownHost: there is none.
            OutOfTime: the attempt is over.
            httpcore.NetworkError, httpcore.TimeoutException: none of the addresses answers.
        """
        failure: Exception = UnknownHost("the receiver's name does not resolve")
        for address in self._checked_addresses(host, port)[:MAX_ADDRESSES]:
            try:
                return self._connect(address, port)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failure = error
        raise failure

    def _connect(self, address: Address, port: int) -> httpcore.NetworkStream:
        stream = self._backend.connect_tcp(str(address), port, timeout=self._deadline.bound(CONNECT_SECONDS))
        return _BoundedStream(stream, self._deadline)

    def _checked_addresses(self, host: str, port: int) -> list[Address]:
        # A resolver may be silent for half a minute and cannot be interrupted, so it is left behind in its thread.
        found = _within(self._deadline.bound(), lambda: self._resolve(host, port))
        addresses = [ipaddress.ip_address(text.partition("%")[0]) for text in found]
        if not all(self._allowances.allow(host, address) for address in addresses):
            raise ForbiddenAddress("the receiver's name resolves to an address that is not public")
        return list(dict.fromkeys(addresses))


class _BoundedStream(httpcore.NetworkStream):
    """A stream each of whose waits ends with the attempt: one byte a second is no way to hold a thread."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.bound(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.bound(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.bound(timeout))
        return _BoundedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a name, as text.

    Raises:
        UnknownHost: it has none, or the resolver does not say.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UnknownHost("the receiver's name does not resolve") from None
    return [str(entry[4][0]) for entry in found]


def _within(seconds: float, action: Callable[[], list[str]]) -> list[str]:
    """What `action` returns or raises, if it ends in time."""
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(action())
        except Exception as error:  # it is raised where somebody waits for it
            answers.put(error)

    threading.Thread(target=run, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise OutOfTime("the resolver does not answer") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
