"""What a Parquet file's footer [1] says of its row groups.

Read here, not asked of Arrow: its metadata of a column ends the whole process where a footer is broken in certain ways.

[1] https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift (`FileMetaData`)
"""

from typing import NamedTuple

from rhizome.blob_store import BlobStore
from worker.file_chunks import InvalidFile
from worker.files.thrift import I32, I64, LIST, STRUCT, Cursor, Struct, ThriftError, Wanted

MAX_FOOTER_BYTES = 8 * 1024 * 1024  #: decoded, it takes many times as much
_TAIL_BYTES = 8  #: the footer's length and the magic number
_TEXT, _FIXED = 6, 7  #: the physical types BYTE_ARRAY and, of float16 and most decimals, FIXED_LEN_BYTE_ARRAY

_COLUMN: Wanted = {(1, I32): {}, (5, I64): {}, (6, I64): {}, (7, I64): {}, (9, I64): {}, (11, I64): {}}
_GROUP: Wanted = {(1, LIST): {(3, STRUCT): _COLUMN}, (2, I64): {}, (3, I64): {}}
_FOOTER: Wanted = {(3, I64): {}, (4, LIST): _GROUP}


class Column(NamedTuple):
    """One column of a row group.

    Attributes:
        start, end: where its pages are in the file.
        values: how many they hold.
        size: bytes of its pages before compression.
        has_objects: each value of its dictionary is an object of its own.
        least_bytes: of a dictionary's value in its page: the length of a text, the smallest number, or a single digit.
    """

    start: int
    end: int
    values: int
    size: int
    has_objects: bool
    least_bytes: int


class Group(NamedTuple):
    """A row group; `size` are the bytes of its pages before compression, as one of two places has it."""

    rows: int
    size: int
    columns: list[Column]


def read_groups(store: BlobStore, path: str) -> list[Group]:
    """The row groups of a file.

    Raises:
        InvalidFile: its footer is too large, or cannot be read.
    """
    end = store.size(path) - _TAIL_BYTES
    size = int.from_bytes(store.read(path, max(0, end), end + 4), "little")
    if size > MAX_FOOTER_BYTES:
        raise InvalidFile("the file's footer is too large; write fewer row groups or columns")
    if size > end:
        raise unreadable()
    try:
        footer = Cursor(store.read(path, end - size, end)).read_struct(_FOOTER)
        groups = [_group_of(group) for group in footer[4]]
    except (ThriftError, LookupError, TypeError, AttributeError) as error:
        raise unreadable() from error
    if any(group.rows < 0 for group in groups) or sum(group.rows for group in groups) != footer.get(3):
        raise unreadable()
    return groups


def _group_of(fields: Struct) -> Group:
    return Group(fields[3], fields[2], [_column_of(column[3]) for column in fields[1]])


def _column_of(fields: Struct) -> Column:
    start, dictionary = fields[9], fields.get(11, 0)
    if 0 < dictionary < start:
        start = dictionary
    is_fixed = fields[1] == _FIXED
    has_objects, least_bytes = is_fixed or fields[1] == _TEXT, 1 if is_fixed else 4
    column = Column(start, start + fields[7], fields[5], fields[6], has_objects, least_bytes)
    if column.start < 0 or column.end < column.start:
        raise unreadable()
    return column


def unreadable() -> InvalidFile:
    """What is said of a file whose bytes are no Parquet."""
    return InvalidFile("the file cannot be read as Parquet; write it again, and send all of it")
