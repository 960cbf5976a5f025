"""CSV and NDJSON: a chunk's bytes to the array an estimator takes, and the rows that cannot be scored.

All at once where every row is good; line by line, to say which row is bad and why, where one is not.
"""

import csv
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from celery.exceptions import SoftTimeLimitExceeded
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from rhizome.csv_cells import BLANKS, allow_long_cells, is_misquoted
from rhizome.inference import to_array
from rhizome.signature import Feature, Signature
from rhizome.struct_types import build_struct
from worker.files.columns import check_array, check_table
from worker.files.judging import BadRow, Refused, Row, judge_cells, judge_values

_NDJSON_SPACE = b" \t\r\n"
PIECE_BYTES = 128 * 1024  #: parsed at once: where one row is bad, so many are read again line by line

Judged = tuple[int, Row | Refused]  #: a line, and what became of it
Checked = tuple[NDArray[Any], NDArray[Any]]  #: rows, and which of them are good


class RowBlock(NamedTuple):
    """The rows of a chunk.

    Attributes:
        array: those that can be scored, in order: shape (n rows, n features).
        bad: the others, by position.
    """

    array: NDArray[Any]
    bad: list[BadRow]


def parse_csv(data: bytes, columns: tuple[str, ...], first_line: int, signature: Signature) -> RowBlock:
    """Rows of a CSV file (RFC 4180), without its header.

    Args:
        data: whole rows.
        columns: the file's columns, in its order.
        first_line: the line of the file at which `data` starts.
        signature: what the rows must be.
    """

    def read(piece: bytes) -> Checked:
        return check_table(_read_csv(piece, columns, signature), signature)

    def judge(piece: bytes, line: int) -> Iterator[Judged]:
        return _csv_rows(piece, columns, line, signature)

    # Where cells are quoted, a newline may be within one.
    pieces = [data] if b'"' in data else _pieces_of_lines(data)
    return _parse_pieces(pieces, first_line, read, judge, signature)


def parse_ndjson(data: bytes, first_line: int, signature: Signature) -> RowBlock:
    """Rows of an NDJSON file, one JSON object a line.

    Args as `parse_csv`.
    """

    def read(piece: bytes) -> Checked:
        array = _read_ndjson(piece, signature)
        return array, check_array(array, signature)

    def judge(piece: bytes, line: int) -> Iterator[Judged]:
        return _ndjson_rows(piece, line, signature)

    return _parse_pieces(_pieces_of_lines(data), first_line, read, judge, signature)


def _parse_pieces(
    pieces: Iterable[bytes],
    first_line: int,
    read: Callable[[bytes], Checked],
    judge: Callable[[bytes, int], Iterator[Judged]],
    signature: Signature,
) -> RowBlock:
    """Each piece at once by `read`, or line by line by `judge` where one of its rows is bad."""
    arrays: list[NDArray[Any]] = []
    bad: list[BadRow] = []
    rows = 0
    for piece in pieces:
        array = _try(read, piece)
        block = RowBlock(array, []) if array is not None else _parse_one_by_one(judge(piece, first_line), signature)
        bad += [row._replace(position=rows + row.position) for row in block.bad]
        arrays.append(block.array)
        rows += len(block.array) + len(block.bad)
        first_line += piece.count(b"\n")
    return RowBlock(np.concatenate(arrays) if len(arrays) > 1 else arrays[0], bad)


def _try(read: Callable[[bytes], Checked], piece: bytes) -> NDArray[Any] | None:
    """The rows as an array; None if one is bad."""
    try:
        array, accepted = read(piece)
        return array if accepted.all() else None
    except (SoftTimeLimitExceeded, MemoryError):
        raise
    except Exception:  # whatever a parser trips over is one row's fault
        return None


def _read_csv(data: bytes, columns: tuple[str, ...], signature: Signature) -> pa.Table:
    types = {f.name: pa.string() if f.dtype == "category" else pa.float64() for f in signature.features}
    if data.count(b"\r") != data.count(b"\r\n"):
        raise pa.ArrowInvalid("Arrow would take a CR alone for the end of a row")
    if b'"' in data and is_misquoted(data):
        raise pa.ArrowInvalid("Arrow would take what follows a closing quote for a part of the cell")
    if not data.strip(b"\r\n"):
        return pa.table({name: pa.array([], kind) for name, kind in types.items()})
    table = arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(column_names=list(columns), use_threads=False, block_size=len(data) + 1),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=b'"' in data),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, include_columns=list(signature.names)
        ),
    )
    for index, feature in enumerate(signature.features):
        if feature.dtype == "category":
            table = table.set_column(index, feature.name, _read_texts(table.column(index), feature))
    return table


def _read_texts(cells: pa.ChunkedArray, feature: Feature) -> pa.ChunkedArray:
    """As `read_cell` reads them one by one."""
    cells = pc.utf8_trim(cells, BLANKS)
    cells = pc.if_else(pc.equal(cells, ""), None, cells)
    lower = pc.utf8_lower(cells) if feature.texts_of_booleans else None
    for boolean, text in feature.texts_of_booleans.items():
        cells = pc.if_else(pc.equal(lower, str(boolean).lower()), text, cells)
    return cells


def _pieces_of_lines(data: bytes) -> Iterator[bytes]:
    """Whole lines of about `PIECE_BYTES`; one empty piece of no data."""
    start = 0
    while True:
        newline = data.find(b"\n", start + PIECE_BYTES - 1)
        end = newline + 1 if newline >= 0 else len(data)
        yield data[start:end]
        start = end
        if start == len(data):
            return


def _read_ndjson(data: bytes, signature: Signature) -> NDArray[Any]:
    decoder = _row_decoder(signature.model_dump_json())
    if decoder is None:
        raise ValueError("the names are none that can be decoded together")
    rows = decoder.decode_lines(data)
    names = [f"f{index}" for index in range(len(signature.features))]
    getter = attrgetter(*names)
    if signature.is_numeric and not any(feature.nullable for feature in signature.features):
        values = map(getter, rows) if len(names) == 1 else chain.from_iterable(map(getter, rows))
        return np.fromiter(values, np.float64, len(rows) * len(names)).reshape(len(rows), len(names))
    return to_array([(getter(row),) if len(names) == 1 else getter(row) for row in rows], signature)


@lru_cache(maxsize=4)
def _row_decoder(signature: str) -> msgspec.json.Decoder[Any] | None:
    """A decoder of one row, which checks types; None where there can be none."""
    features = Signature.model_validate_json(signature).features
    # Among numbers alone, an integer is a float, as which it travels: `34.0` is then read at once, too.
    as_float = all(feature.dtype != "category" for feature in features)
    types = {feature.name: _type_of(feature, as_float=as_float) for feature in features}
    row = build_struct("Row", types) if all(feature.is_exact for feature in features) else None
    return msgspec.json.Decoder(row) if row else None


def _type_of(feature: Feature, *, as_float: bool) -> Any:
    if feature.dtype == "category":
        kind: Any = Literal[feature.categories] if feature.categories else str
    else:
        kind = int if feature.dtype == "int64" and not as_float else float
    return kind | None if feature.nullable else kind


def _parse_one_by_one(rows: Iterator[Judged], signature: Signature) -> RowBlock:
    good: list[Row] = []
    bad: list[BadRow] = []
    said: dict[Refused, Refused] = {}  # what is wrong with thousands of rows is kept once
    for line, row in rows:
        if isinstance(row, Refused):
            bad.append(BadRow(len(good) + len(bad), line, *said.setdefault(row, row)))
        else:
            good.append(row)
    return RowBlock(to_array(good, signature), bad)


def _csv_rows(data: bytes, columns: tuple[str, ...], first_line: int, signature: Signature) -> Iterator[Judged]:
    allow_long_cells()
    lines = data.decode(errors="replace").split("\n")
    reader = csv.reader((f"{line}\n" for line in lines), strict=True)
    while True:
        line = first_line + reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, Refused("row", "is not CSV", "quote as RFC 4180 has it, and end lines in LF or CRLF")
            continue
        if cells:
            yield line, judge_cells(cells, columns, signature)


def _ndjson_rows(data: bytes, first_line: int, signature: Signature) -> Iterator[Judged]:
    for line, text in enumerate(data.split(b"\n"), start=first_line):
        if not text.strip(_NDJSON_SPACE):
            continue
        try:
            values = msgspec.json.decode(text)
        except (ValueError, RecursionError):  # of msgspec, of UTF-8, and of an integer of thousands of digits
            yield line, Refused("row", "is not JSON", "send one JSON object a line, in UTF-8")
            continue
        yield line, judge_values(values, signature)
