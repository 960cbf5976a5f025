"""Where a file of lines can be cut into chunks, found while it streams by: no value is parsed for it.

A newline ends a row unless it stands in a quoted cell of a CSV file (`rhizome.csv_cells`).
"""

from collections.abc import Callable
from typing import NamedTuple

from gateway.uploads.heads import MAX_HEAD_BYTES, Head
from rhizome.csv_cells import outside_quotes
from rhizome.errors import InvalidRequest

MAX_ROW_BYTES = 8 * 1024 * 1024  #: a chunk holds whole rows, and workers hold whole chunks
#: A chunk ends with the row that reaches this line, however short lines are: what is said of a bad row may be a hundred
#: times as long as the row.
MAX_CHUNK_LINES = 65_536

ReadHead = Callable[[bytes, bool], Head | None]


class Cut(NamedTuple):
    """One chunk of a file.

    Attributes:
        start, end: its bytes.
        first_line: the line at which it starts, 1 being the file's first.
        rows: how many it holds, blank lines included.
    """

    start: int
    end: int
    first_line: int
    rows: int


class Splitter:
    """Cuts a stream of lines into chunks of at least `chunk_bytes`, or of `MAX_CHUNK_LINES` lines.

    Args:
        read_head: looks at the file's beginning; called until it finds the head.
        chunk_bytes: a chunk ends with the first row that ends at or after this.
        max_rows: of the file, blank lines included.
        is_quoted: newlines may stand in quotes.
    """

    def __init__(self, read_head: ReadHead, chunk_bytes: int, max_rows: int, *, is_quoted: bool) -> None:
        self._read_head = read_head
        self._chunk_bytes = chunk_bytes
        self._max_rows = self._rows_left = max_rows
        self._is_quoted = is_quoted
        self._beginning = bytearray()
        self._look_at_bytes = 1
        self._head: Head | None = None
        self._cuts: list[Cut] = []
        self._start = self._at = 0
        self._first_line = self._line = 1
        self._rows = 0
        self._in_quotes = False
        self._ends_row = True
        self._pending = bytearray()  # the beginning of a line, whose end is yet to come

    @property
    def columns(self) -> tuple[str, ...]:
        """A CSV file's columns."""
        return self._head.columns if self._head else ()

    def feed(self, block: bytes) -> None:
        """Takes the next bytes of the file.

        Raises:
            InvalidRequest: the head is not acceptable, a row does not end, or there are too many.
        """
        if self._head is None:
            self._beginning += block
            if len(self._beginning) >= self._look_at_bytes:
                self._look_for_head(is_all=False)
        else:
            self._split_lines(block)

    def finish(self) -> list[Cut]:
        """The chunks, at the end of the file.

        Raises:
            InvalidRequest: it holds no rows, or ends in quotes.
        """
        if self._head is None:
            self._look_for_head(is_all=True)
        self._split(bytes(self._pending))
        if self._in_quotes:
            raise InvalidRequest(
                "the file ends in the middle of a quoted value; close its quotes, and double those inside",
                code="invalid_file",
            )
        if self._at > self._start:
            self._cut(self._at, self._line, self._rows + (not self._ends_row))
        if not any(cut.rows for cut in self._cuts):
            raise InvalidRequest("the file holds no rows; send one at least", code="invalid_file")
        return self._cuts

    def _look_for_head(self, *, is_all: bool) -> None:
        beginning = bytes(self._beginning)
        head = self._read_head(beginning, is_all)
        if head is None:
            # Every look is one at all of it: twice as much before the next keeps the sum in proportion to the head.
            self._look_at_bytes = min(2 * len(beginning), MAX_HEAD_BYTES)
            return
        self._beginning, self._head = bytearray(), head
        self._start = self._at = head.data_start
        self._first_line = self._line = 1 + beginning.count(b"\n", 0, head.data_start)
        self._split_lines(beginning[head.data_start :])

    def _split_lines(self, block: bytes) -> None:
        """Goes on by the whole lines that there are."""
        end = block.rfind(b"\n") + 1
        if end:
            self._split(bytes(self._pending) + block[:end])
            self._pending.clear()
        self._pending += block[end:]
        self._check_row()

    def _split(self, block: bytes) -> None:
        done = 0
        while (end := self._find_cut(block, done)) is not None:
            self._count(block[done:end])
            self._cut(self._at, self._line, self._rows)
            done = end
        self._count(block[done:])

    def _check_row(self) -> None:
        if self._at + len(self._pending) - self._start > self._chunk_bytes + MAX_ROW_BYTES:
            raise InvalidRequest(
                f"a row after line {self._first_line} exceeds {MAX_ROW_BYTES} bytes; shorten it, or close its quotes",
                code="invalid_file",
            )

    def _find_cut(self, block: bytes, done: int) -> int | None:
        """The end of the first row of `block` that ends a chunk."""
        at = max(done, done + self._chunk_bytes - (self._at - self._start) - 1)
        most = MAX_CHUNK_LINES - (self._line - self._first_line)
        if block.count(b"\n", done, at) >= most:
            at = _find_newline(block, done, at, most)
        is_within, start = self._in_quotes, done
        while (newline := block.find(b"\n", at)) >= 0:
            at = newline + 1
            if self._is_quoted and (is_within or block.find(b'"', start, at) >= 0):
                _, is_within = outside_quotes(block[start:at], is_within=is_within)
            if not is_within:
                return at
            start = at
        return None

    def _count(self, piece: bytes) -> None:
        """Goes on by `piece`."""
        if not piece:
            return
        newlines = piece.count(b"\n")
        self._at += len(piece)
        self._line += newlines
        if self._is_quoted and (self._in_quotes or b'"' in piece):
            outside, self._in_quotes = outside_quotes(piece, is_within=self._in_quotes)
            newlines = outside.count(b"\n")
        self._rows += newlines
        self._ends_row = piece.endswith(b"\n")

    def _cut(self, end: int, line: int, rows: int) -> None:
        self._cuts.append(Cut(self._start, end, self._first_line, rows))
        self._rows_left -= rows
        if self._rows_left < 0:
            raise InvalidRequest(
                f"the file holds more than {self._max_rows} rows (RHIZOME_MAX_FILE_ROWS); send it in parts",
                code="body_too_large",
            )
        self._start, self._first_line, self._rows = end, line, 0


def _find_newline(block: bytes, low: int, high: int, nth: int) -> int:
    """Where the `nth` newline of `block[low:high]` is, by halves; `low` if `nth` is 0 or less."""
    while high - low > 1:
        middle = (low + high) // 2
        count = block.count(b"\n", low, middle)
        if nth <= count:
            high = middle
        else:
            low, nth = middle, nth - count
    return low
