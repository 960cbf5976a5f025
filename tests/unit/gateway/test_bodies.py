"""A body that is passed on arrives whole, in order and no faster than it is used."""

import io
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.bodies import BLOCK_BYTES, BLOCKS, DRAIN_BYTES, PumpedBody

PATIENCE_SECONDS = 10.0


class Source:
    """A server's body; counts what was taken."""

    def __init__(self, data: bytes, error: Exception | None = None) -> None:
        self._data = io.BytesIO(data)
        self._error = error
        self.taken = 0

    def read(self, size: int = -1, /) -> bytes:
        block = self._data.read(size)
        self.taken += len(block)
        if not block and self._error:
            raise self._error
        return block


def start(pumped: PumpedBody, source: Source) -> threading.Thread:
    thread = threading.Thread(target=pumped.pump, args=(source,))
    thread.start()
    return thread


@given(st.integers(0, 300_000), st.integers(1, 200_000))
@settings(max_examples=25, deadline=None)
def test_every_byte_arrives_in_order(size: int, step: int) -> None:
    data, pumped = bytes(range(256)) * (size // 256 + 1), PumpedBody()
    thread, stream, pieces = start(pumped, Source(data)), io.BufferedReader(pumped), []

    while piece := stream.read(step):
        pieces.append(piece)

    thread.join(PATIENCE_SECONDS)
    assert b"".join(pieces) == data


def test_no_more_is_taken_than_is_used() -> None:
    pumped, source = PumpedBody(), Source(bytes(100 * BLOCK_BYTES))
    thread = start(pumped, source)

    io.BufferedReader(pumped).read(1)
    thread.join(0.3)

    assert thread.is_alive()
    assert source.taken <= (BLOCKS + 3) * BLOCK_BYTES
    pumped.abandon()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_who_uses_it_is_told_that_the_client_is_gone() -> None:
    pumped = PumpedBody()
    thread, stream = start(pumped, Source(b"abc", OSError("gone"))), io.BufferedReader(pumped)

    for _ in range(2):  # reading on is no way round it
        with pytest.raises(OSError, match="gone"):
            stream.read()

    thread.join(PATIENCE_SECONDS)


def test_of_what_nobody_wants_a_part_is_read_so_that_the_sender_sees_why() -> None:
    pumped, source = PumpedBody(), Source(bytes(2 * DRAIN_BYTES))
    pumped.abandon()

    pumped.pump(source)

    assert source.taken == DRAIN_BYTES


def test_what_comes_slowly_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.bodies.DRAIN_SECONDS", 0.0)
    pumped, source = PumpedBody(), Source(bytes(2 * DRAIN_BYTES))
    pumped.abandon()

    pumped.pump(source)

    assert source.taken <= BLOCK_BYTES


@pytest.mark.parametrize("length", ["5", ""])
def test_it_is_read_once_its_last_byte_was_given(length: str) -> None:
    pumped = PumpedBody()
    thread, stream = start(pumped, Source(b"12345")), io.BufferedReader(pumped)
    assert not pumped.is_read(length)

    assert stream.read() == b"12345"

    assert pumped.is_read(length)
    thread.join(PATIENCE_SECONDS)
