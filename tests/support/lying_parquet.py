"""A Parquet file whose first column has a dictionary page of any size, of which its footer says nothing.

Written by hand after the format's Thrift definitions (compact protocol): writers that are in order cannot lie.
"""

import pyarrow as pa

MAGIC = b"PAR1"
I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12  #: types of the compact protocol
DOUBLE, REQUIRED, ZSTD = 5, 0, 6
PLAIN, RLE, RLE_DICTIONARY = 0, 3, 8
DATA_PAGE, DICTIONARY_PAGE = 0, 2
VALUE_BYTES = 8
BLOCK = bytes(1024 * 1024)
SAID_BYTES = 100  #: of each column, by the footer

Field = tuple[int, int, bytes]


def write_lying(names: tuple[str, ...], rows: int, dictionary_blocks: int) -> bytes:
    """A file of zeros.

    Args:
        names: of its columns, all of doubles.
        rows: in its one row group.
        dictionary_blocks: of 1 MiB, in the first column's dictionary, of which only the first value is used.
    """
    body, columns = bytearray(MAGIC), []
    for place, name in enumerate(names):
        blocks = [BLOCK] * dictionary_blocks if place == 0 else [bytes(VALUE_BYTES)]
        begin = len(body)
        body += _dictionary_page(blocks)
        data_at = len(body)
        body += _data_page(rows)
        columns.append(_column(name, rows, begin, data_at, len(body) - begin))
    group = _struct((1, LIST, _list(STRUCT, columns)), (2, I64, _number(SAID_BYTES)), (3, I64, _number(rows)))
    root = _struct((4, BINARY, _text("schema")), (5, I32, _number(len(names))))
    leaves = [
        _struct((1, I32, _number(DOUBLE)), (3, I32, _number(REQUIRED)), (4, BINARY, _text(name))) for name in names
    ]
    footer = _struct(
        (1, I32, _number(1)),
        (2, LIST, _list(STRUCT, [root, *leaves])),
        (3, I64, _number(rows)),
        (4, LIST, _list(STRUCT, [group])),
    )
    return bytes(body) + footer + len(footer).to_bytes(4, "little") + MAGIC


def _dictionary_page(blocks: list[bytes]) -> bytes:
    size = sum(map(len, blocks))
    header = _struct((1, I32, _number(size // VALUE_BYTES)), (2, I32, _number(PLAIN)))
    return _page(DICTIONARY_PAGE, blocks, size, (7, STRUCT, header))


def _data_page(rows: int) -> bytes:
    """`rows` times the dictionary's first value: one run of one bit each."""
    content = bytes([1]) + _varint(rows << 1) + bytes(1)
    encodings = [_number(RLE_DICTIONARY), _number(RLE), _number(RLE)]
    header = _struct((1, I32, _number(rows)), *((2 + place, I32, each) for place, each in enumerate(encodings)))
    return _page(DATA_PAGE, [content], len(content), (5, STRUCT, header))


def _page(kind: int, blocks: list[bytes], size: int, header: Field) -> bytes:
    packed = _compress(blocks)
    sizes = [(2, I32, _number(size)), (3, I32, _number(len(packed)))]
    return _struct((1, I32, _number(kind)), *sizes, header) + packed


def _column(name: str, rows: int, begin: int, data_at: int, size: int) -> bytes:
    facts = _struct(
        (1, I32, _number(DOUBLE)),
        (2, LIST, _list(I32, [_number(PLAIN), _number(RLE), _number(RLE_DICTIONARY)])),
        (3, LIST, _list(BINARY, [_text(name)])),
        (4, I32, _number(ZSTD)),
        (5, I64, _number(rows)),
        (6, I64, _number(SAID_BYTES)),
        (7, I64, _number(size)),
        (9, I64, _number(data_at)),
        (11, I64, _number(begin)),
    )
    return _struct((2, I64, _number(begin)), (3, STRUCT, facts))


def _compress(blocks: list[bytes]) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as packing:
        for block in blocks:
            packing.write(block)
    return bytes(out.getvalue())


def _struct(*fields: Field) -> bytes:
    """Fields in the order of their numbers."""
    out, last = bytearray(), 0
    for number, kind, content in fields:
        out += bytes([(number - last) << 4 | kind]) + content
        last = number
    return bytes(out) + b"\0"


def _list(kind: int, items: list[bytes]) -> bytes:
    return bytes([len(items) << 4 | kind]) + b"".join(items)


def _text(value: str) -> bytes:
    return _varint(len(value)) + value.encode()


def _number(value: int) -> bytes:
    return _varint(value << 1)  # zigzag, of what is not negative


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
