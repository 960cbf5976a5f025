"""A CSV file as text: header, cells and the line each row came from, so that later errors can name the line.

Apart from the dataset, which gives the cells a meaning; here only the shape of the file is judged.
"""

import csv
import hashlib
import io
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rhizome.csv_cells import allow_long_cells, read_rows, separator_hint
from rhizome.errors import DatasetError

_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_LOOKED_AT_LINES = 20


@dataclass(frozen=True)
class Table:
    """A rectangular CSV file.

    Attributes:
        name: the file's name.
        sha256: of the file's bytes, in hex.
        header: the column names, unique and not empty.
        rows: the stripped cells of each row, as many as the header has columns.
        lines: the line of the file each row ends on.
    """

    name: str
    sha256: str
    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def cells(self, column: int) -> list[str]:
        """The cells of one column, in row order."""
        return [row[column] for row in self.rows]


def load_table(path: Path) -> Table:
    """Reads a UTF-8, comma-separated file with a header.

    Raises:
        DatasetError: it is missing, unreadable, empty, not CSV, has a bad header or a row of another length.
    """
    content = _read(path)
    skipped, separator = separator_hint(content)
    text = _decode(content, path)[len(content[:skipped].decode("utf-8-sig")) :]
    _check_separator(text, separator, path)
    allow_long_cells()
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    skipped_lines = int(skipped > 0)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        for row in read_rows(reader):
            rows.append(row)
            lines.append(skipped_lines + reader.line_num)
    except csv.Error as error:
        raise DatasetError(f"{path}, line {skipped_lines + reader.line_num}: not valid CSV ({error})") from None
    if not rows:
        raise DatasetError(f"{path} is empty; it needs a header and rows")
    header = _check_header(rows[0], path)
    _check_lengths(rows, lines, path)
    return Table(path.name, hashlib.sha256(content).hexdigest(), header, rows[1:], lines[1:])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"there is no dataset at {path}; set RHIZOME_DATASET to a CSV file") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); RHIZOME_DATASET must name a CSV file") from None


def _decode(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DatasetError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from None


def _check_separator(text: str, hint: str, path: Path) -> None:
    """Refuses what is separated by something else than commas: each of the first lines holds it equally often."""
    lines = [line for line in islice(io.StringIO(text), _LOOKED_AT_LINES) if line.strip()]
    for sign, name in _OTHER_SEPARATORS.items():
        counts = {line.count(sign) for line in lines}
        is_alone = bool(lines) and sign in lines[0] and "," not in lines[0]
        if hint == sign or is_alone or (len(counts) == 1 and counts != {0}):
            raise DatasetError(f"{path}, line 1: the columns are separated by {name}; separate them by commas")


def _check_header(header: list[str], path: Path) -> tuple[str, ...]:
    for index, name in enumerate(header):
        if not name:
            raise DatasetError(f"{path}, line 1: column {index + 1} has no name; give it one")
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise DatasetError(f"{path}, line 1: the column name '{repeated[0]}' appears twice; rename one")
    return tuple(header)


def _check_lengths(rows: list[list[str]], lines: list[int], path: Path) -> None:
    width = len(rows[0])
    for row, line in zip(rows, lines, strict=True):
        if len(row) != width:
            raise DatasetError(
                f"{path}, line {line}: {len(row)} cells where the header has {width} columns; correct the row"
            )
