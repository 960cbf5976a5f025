"""How much memory JSON may take in this process, and its share for each request.

A body of megabytes may stand for thirty times as much: `{},` is three bytes and an object. So a body is weighed before
it is decoded, by the signs that tell of values, and no more is decoded at once than there is room for.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rhizome.errors import InvalidRequest, TooManyWaiters

#: Bytes that a body's values take once decoded, by the sign that tells of them: measured for every form of request.
WEIGHTS = {b"{": 280, b"[": 150, b",": 56, b'"': 24}
LIGHT_BYTES = 1024 * 1024  #: what takes no more is not counted: there are only so many threads
KEPT_COPIES = 2  #: of a body, by its request until its end: as it came, and as it goes to the queue
KEPT_SHARE = 0.5  #: bodies that are kept, of what decoded ones may take
TURN_SECONDS = 2.0  #: how long a request waits for room

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


class JsonMemory:
    """The room of one process, which requests share.

    Args:
        most_bytes: that decoded bodies may take together; those that are kept, while their jobs are waited for, take
            `KEPT_SHARE` of it besides.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._decoded, self._kept = _Room(most_bytes), _Room(int(most_bytes * KEPT_SHARE))

    @contextmanager
    def decoding(self, body: bytes) -> Iterator[None]:
        """Room for what `body` is decoded to.

        Raises:
            InvalidRequest: it never fits.
            TooManyWaiters: it does not fit for now.
        """
        weight = weigh(body)
        if weight > self._most_bytes:
            weight = weigh(_STRING.sub(b'""', body))  # what stands in texts tells of no values
        if weight > self._most_bytes:
            raise InvalidRequest(
                f"the body holds so many values that decoding it takes {weight} bytes, more than the "
                f"{self._most_bytes} set (RHIZOME_JSON_MEMORY_BYTES); send less, or a file to POST /predict/batch",
                code="body_too_large",
            )
        with self._decoded.taken(weight):
            yield

    @contextmanager
    def keeping(self, body_bytes: int) -> Iterator[None]:
        """Room for a body of so many bytes.

        Raises:
            TooManyWaiters: there is none for now.
        """
        with self._kept.taken(KEPT_COPIES * body_bytes):
            yield


class _Room:
    def __init__(self, most_bytes: int) -> None:
        self._most = self._left = most_bytes
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """`size` bytes of it, or all of it where that is less."""
        size = 0 if size <= LIGHT_BYTES else min(size, self._most)
        with self._changed:
            if not self._changed.wait_for(lambda: self._left >= size, TURN_SECONDS):
                raise TooManyWaiters("requests with much JSON are at work already; try again shortly, or send less")
            self._left -= size
        try:
            yield
        finally:
            with self._changed:
                self._left += size
                self._changed.notify_all()


def weigh(body: bytes) -> int:
    """About how many bytes the values of `body` take once decoded, at most."""
    return len(body) + sum(weight * body.count(sign) for sign, weight in WEIGHTS.items())
