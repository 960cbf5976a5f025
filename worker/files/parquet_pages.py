"""The pages of a Parquet file, by their headers: what decoding them takes, before it is done.

Arrow allocates what a page's header says, and a worker holds whole pages and dictionaries. The footer tells sizes, too,
but whoever writes a file may write anything there. The headers [1] stand before each page.

[1] https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift (`PageHeader`)
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from worker.file_chunks import InvalidFile
from worker.files.parquet_footer import Column, unreadable
from worker.files.thrift import I32, STRUCT, Cursor, ThriftError, Wanted

#: Of a row group's columns together: each one's dictionary and largest page are in memory at once.
MAX_HELD_BYTES = 256 * 1024 * 1024
MAX_PAGES = 65_536  #: of one column in one row group; each is a step of its own
OBJECT_BYTES = 16  #: of a text or a decimal in a dictionary, beside its bytes in the page
_WINDOW_BYTES = 16 * 1024
_MAX_HEADER_BYTES = 1024 * 1024  #: statistics may hold long texts
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_DETAIL = {_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}  #: the field that holds what is particular to a kind
_VALUES: Wanted = {(1, I32): {}}
_HEADER: Wanted = {
    **{(field, I32): {} for field in (1, 2, 3)},
    **{(field, STRUCT): _VALUES for field in _DETAIL.values()},
}

Read = Callable[[int, int], bytes]


class Page(NamedTuple):
    """A page, as its header has it."""

    kind: int
    size: int
    values: int


def check_pages(read: Read, columns: Sequence[Column]) -> None:
    """Refuses what would take too much memory to decode, or is not what it says.

    Args:
        read: gives the bytes of the file from one place up to another.
        columns: of one row group.

    Raises:
        InvalidFile: a column's pages cannot be decoded here.
    """
    held = 0
    for column in columns:
        largest = dictionary = values = 0  # bytes, bytes, and values of data pages
        for count, page in enumerate(_pages(read, column), start=1):
            if count > MAX_PAGES:
                raise InvalidFile(f"a column has more than {MAX_PAGES} pages in a row group; write larger pages")
            if page.kind == _DICTIONARY:
                if page.values * column.least_bytes > page.size:
                    raise unreadable()
                dictionary += 2 * page.size + column.has_objects * page.values * OBJECT_BYTES
                continue
            largest, values = max(largest, page.size), values + page.values
        if values > column.values:
            raise unreadable()
        held += largest + dictionary
        if held > MAX_HELD_BYTES:
            raise InvalidFile(
                f"the pages and dictionaries of a row group take more than {MAX_HELD_BYTES} bytes; write smaller pages"
            )


def _pages(read: Read, column: Column) -> Iterator[Page]:
    """The headers of a column's pages, in order."""
    at, window, window_at = column.start, b"", column.start
    while at < column.end:
        found = _parse(window, at - window_at)
        size = _WINDOW_BYTES
        while found is None:
            if size > _MAX_HEADER_BYTES:
                raise unreadable()
            window, window_at = read(at, min(at + size, column.end)), at
            found = _parse(window, 0)
            if found is None and at + size >= column.end:
                raise unreadable()
            size *= 8
        page, packed_size, end = found
        yield page
        at = window_at + end + packed_size


def _parse(window: bytes, at: int) -> tuple[Page, int, int] | None:
    """The page whose header is at `at`, its bytes in the file, and its header's end; None if the window is short."""
    cursor = Cursor(window, at)
    try:
        fields = cursor.read_struct(_HEADER)
        kind, size, packed_size = fields[1], fields[2], fields[3]
        detail = fields[_DETAIL[kind]] if kind in _DETAIL else {1: 0}
        page = Page(kind, size, detail[1])
    except IndexError:
        return None
    except (ThriftError, KeyError) as error:
        raise unreadable() from error
    if min(size, packed_size, page.values) < 0:
        raise unreadable()
    return page, packed_size, cursor.at
