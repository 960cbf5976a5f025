"""Request bodies, read by the server's threads for those who need them.

The server takes a body from the wire only while its own call lasts, and has few threads. So a small body is read
whole, a large one is passed on block by block, and how many are read at once is bounded: one that trickles in holds a
thread.
"""

import io
import queue
import threading
from typing import Any, Protocol

BLOCK_BYTES = 64 * 1024
BLOCKS = 8  #: of one body on their way
CHECK_SECONDS = 0.5  #: how soon it is noticed that nobody wants the rest


class Body(Protocol):
    """The server's `wsgi.input`."""

    def read(self, size: int = -1, /) -> bytes: ...


class PumpedBody(io.RawIOBase):
    """A body on its way from the thread that reads it to the one that uses it; to be read in the latter."""

    def __init__(self) -> None:
        self._blocks: queue.Queue[bytes | BaseException] = queue.Queue(BLOCKS)
        self._rest = memoryview(b"")
        self._is_over = False
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
        return count

    def abandon(self) -> None:
        """Nobody wants the rest."""
        self._is_unwanted.set()

    def pump(self, body: Body) -> None:
        """Passes the whole body on, as fast as it is used; returns when it is over or unwanted."""
        while not self._is_unwanted.is_set():
            block: bytes | BaseException
            try:
                block = body.read(BLOCK_BYTES)
            except Exception as error:  # the client is gone: the one who uses the body is told
                block = error
            self._put(block)
            if not block or isinstance(block, BaseException):
                return

    def _put(self, block: bytes | BaseException) -> None:
        while not self._is_unwanted.is_set():
            try:
                self._blocks.put(block, timeout=CHECK_SECONDS)
            except queue.Full:
                continue
            return
