"""How much memory JSON may take in this process, and its share for each request.

A body of megabytes may stand for thirty times as much: `{},` is three bytes and an object. So a body is weighed before
it is decoded, by the signs that tell of values, and no more is decoded at once than there is room for.
"""

import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rhizome.errors import InvalidRequest, TooManyWaiters

#: Bytes that a body's values take once decoded, by the sign that tells of them: measured for every form of request.
WEIGHTS = {b"{": 280, b"[": 150, b",": 18, b'"': 24}
NUMBER_BYTES = 24  #: that a number takes beside its place in a list; one of up to two digits is there already
LIGHT_BYTES = 1024 * 1024  #: what takes no more is not counted: there are only so many threads
KEPT_COPIES = 2  #: of a body, by its request until its end: as it came, and as it goes to the queue
KEPT_SHARE = 0.5  #: bodies that are kept, of what decoded ones may take
TURN_SECONDS = 2.0  #: how long a request waits for room

FLOATS_BYTES = 18  #: of a cell of CSV that is a number: its place in an array that grows, and in the payload
CELL_BYTES = 72  #: of one that is text
_OF_CSV_NUMBERS = b"0123456789.eE+-, \t\r\n"
_JSON_WORDS = ("values", "send less, or a file to POST /predict/batch")
_CSV_WORDS = ("cells", "send fewer rows, or the file to POST /predict/batch, which takes CSV of any size")
_OF_NUMBERS = b"0123456789.eE+-"
#: All bytes but those that are counted.
_NO_SIGNS = bytes(sorted(set(range(256)) - set(b"".join(WEIGHTS) + b"-")))
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
    def decoding(self, body: bytes, *, is_csv: bool = False) -> Iterator[None]:
        """Room for what `body` is decoded to.

        Raises:
            InvalidRequest: it never fits.
            TooManyWaiters: it does not fit for now.
        """
        weight = weigh_csv(body) if is_csv else weigh(body)
        if weight > self._most_bytes and not is_csv:
            weight = weigh(_STRING.sub(b'""', body), is_close=True)  # what stands in texts tells of no values
        if weight > self._most_bytes:
            held, remedy = _CSV_WORDS if is_csv else _JSON_WORDS
            raise InvalidRequest(
                f"the body holds so many {held} that reading it takes {weight} bytes, more than the "
                f"{self._most_bytes} set (RHIZOME_JSON_MEMORY_BYTES); {remedy}",
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


def weigh(body: bytes, *, is_close: bool = False) -> int:
    """About how many bytes the values of `body` take once decoded, at most.

    Args:
        body: JSON.
        is_close: looks closer, at what numbers there may be, which takes as long again. Else every place may hold one.
    """
    signs = body.translate(None, _NO_SIGNS)  # one pass over the body; each count is then a short one
    counted = sum(weight * signs.count(sign) for sign, weight in WEIGHTS.items())
    numbers = signs.count(b",") + signs.count(b"[") + signs.count(b"{")
    if is_close:
        numbers = _count_numbers(body, signs, numbers)
    return len(body) + NUMBER_BYTES * numbers + counted


def weigh_csv(body: bytes) -> int:
    """The same of CSV, which is parsed row by row: of numbers no more is held than floats."""
    cells = body.count(b",") + body.count(b"\n") + 1
    characters = len(body.translate(None, _OF_CSV_NUMBERS))
    weight = len(body) + FLOATS_BYTES * cells + CELL_BYTES * min(cells, characters)
    # A row is held whole; where cells are quoted it may be all that there is.
    longest = (
        cells
        if b'"' in body[body.find(b"\n") + 1 :]
        else max((line.count(b",") for line in io.BytesIO(body)), default=0)
    )
    return weight + CELL_BYTES * longest


def _count_numbers(body: bytes, signs: bytes, places: int) -> int:
    """How many numbers of three characters and more, or below 0, there may be: each has a comma or a bracket."""
    characters = len(body) - len(body.translate(None, _OF_NUMBERS))
    return min(places, max(0, characters - places) // 2 + signs.count(b"-"))
