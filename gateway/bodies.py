"""Request bodies, read by the server's threads for those who need them.

The server takes a body from the wire only while its own call lasts, and has few threads. So a small body is read
whole, a large one is passed on block by block, and how many are read at once is bounded: one that trickles in holds a
thread.
"""

import io
import queue
import threading
import time
from contextlib import suppress
from typing import Any, Protocol

BLOCK_BYTES = 64 * 1024
BLOCKS = 8  #: of one body on their way
CHECK_SECONDS = 0.5  #: how soon it is noticed that nobody wants the rest
#: Of a body that nobody wants, at most, and for so long; a sender that stalls is waited for until one side hangs up.
DRAIN_BYTES, DRAIN_SECONDS = 16 * 1024 * 1024, 2.0


class Body(Protocol):
    """The server's `wsgi.input`."""

    def read(self, size: int = -1, /) -> bytes: ...


class PumpedBody(io.RawIOBase):
    """A body on its way from the thread that reads it to the one that uses it; to be read in the latter."""

    def __init__(self) -> None:
        self._blocks: queue.Queue[bytes | BaseException] = queue.Queue(BLOCKS)
        self._rest = memoryview(b"")
        self._is_over = False
        self._given = 0
        self._is_unwanted = threading.Event()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills at most the buffer; 0 at the end."""
        if not self._rest and not self._is_over:
            block = self._blocks.get()
            if isinstance(block, BaseException):
                self._blocks.put(block)  # whoever reads on is told again: it is no end
                raise block
            self._rest, self._is_over = memoryview(block), not block
        count = min(len(self._rest), len(buffer))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        self._given += count
        return count

    def is_read(self, length: str) -> bool:
        """Whether all of it was read, that is `length` bytes (a header, empty where the sender did not say)."""
        return self._given >= int(length) if length.isdecimal() else self._is_over

    def abandon(self) -> None:
        """Nobody wants the rest."""
        self._is_unwanted.set()

    def pump(self, body: Body) -> None:
        """Passes the whole body on, as fast as it is used; returns when it is over or unwanted.

        Of what is unwanted a part is read and thrown away: a client that is cut off while it sends may never see why.
        """
        block: bytes | BaseException
        while not self._is_unwanted.is_set():
            try:
                block = body.read(BLOCK_BYTES)
            except Exception as error:  # the client is gone: the one who uses the body is told
                block = error
            self._put(block)
            if not block or isinstance(block, BaseException):
                return
        left, until = DRAIN_BYTES, time.monotonic() + DRAIN_SECONDS
        with suppress(Exception):  # the client is gone
            while left > 0 and time.monotonic() < until and (block := body.read(BLOCK_BYTES)):
                left -= len(block)

    def _put(self, block: bytes | BaseException) -> None:
        while not self._is_unwanted.is_set():
            try:
                self._blocks.put(block, timeout=CHECK_SECONDS)
            except queue.Full:
                continue
            return
