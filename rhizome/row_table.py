"""Answers as the rows of a table: which columns there are, and one answer's cells. The same for CSV and Parquet.

Columns follow from the signature and what was asked for, never from the answers, so that a file's first rows tell
nothing about its form.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from rhizome.jobs import Returns
from rhizome.signature import ClassLabel, Signature

ERROR_COLUMN = "error"
_PROBABILITIES = "probabilities"
_MARK = "\0"  #: is in no JSON
_MUST_BE_QUOTED = frozenset('",\r\n')


class Column(NamedTuple):
    """One column: its name, the keys that lead to its cell in an answer, and the Python type of its cells."""

    name: str
    path: tuple[str, ...]
    type: type[ClassLabel]


def build_columns(signature: Signature, returns: Returns) -> list[Column]:
    """The columns of a version's answers; the last one holds the errors of rows that failed."""
    columns = []
    for output in signature.outputs:
        is_only = len(signature.outputs) == 1
        prefix = "" if is_only else f"{output.name}."
        path = () if is_only else ("outputs", output.name)
        if signature.task == "regression":
            columns.append(Column(f"{prefix}value", (*path, "value"), float))
            continue
        if returns is not Returns.PROBABILITIES or not signature.has_probabilities:
            columns.append(Column(f"{prefix}label", (*path, "label"), _common_type(output.classes)))
        if returns is not Returns.LABEL and signature.has_probabilities:
            for label in output.class_names:
                columns.append(Column(f"{prefix}probability_{label}", (*path, _PROBABILITIES, label), float))
    return [*columns, Column(ERROR_COLUMN, (ERROR_COLUMN,), str)]


def returns_of(chunks: Sequence[bytes]) -> Returns:
    """Which part of an answer was wanted, as answers (JSON) tell themselves."""
    has_labels = any(b'"label":' in chunk for chunk in chunks)
    has_probabilities = any(b'"probabilities":' in chunk for chunk in chunks)
    if has_labels == has_probabilities:
        return Returns.BOTH
    return Returns.LABEL if has_labels else Returns.PROBABILITIES


def header_line(columns: list[Column]) -> str:
    """The first line of a CSV file."""
    return ",".join(csv_cell(column.name) for column in columns) + "\n"


def csv_line(answer: Mapping[str, Any], columns: list[Column]) -> str:
    """One answer as a line of a CSV file; what it does not hold is empty."""
    return ",".join(csv_cell(cell_of(answer, column)) for column in columns) + "\n"


def cell_of(answer: Mapping[str, Any], column: Column) -> ClassLabel | None:
    """One cell; None where the answer holds no such thing."""
    found: Any = answer
    for key in column.path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    if column.name == ERROR_COLUMN and found is not None:
        return _error_text(found, answer.get("line"))
    return None if found is None else column.type(found)


def answer_of_cells(cells: Sequence[str], columns: Sequence[Column], *, is_ranked: bool) -> dict[str, Any]:
    """The answer that a line of a CSV file stands for, unless it is an error: the reverse of `csv_line`.

    Args:
        cells: as a reader of CSV gives them.
        columns: theirs.
        is_ranked: only the most probable classes are there, and the most probable one comes first.

    Returns:
        The answer; its numbers are `msgspec.Raw`, in the digits in which they were written.
    """
    answer: dict[str, Any] = {}
    for column, cell in zip(columns, cells, strict=True):
        is_probability = column.path[-2:-1] == (_PROBABILITIES,)
        if column.name == ERROR_COLUMN or (is_probability and not cell):
            continue
        within = answer
        for key in column.path[:-1]:
            within = within.setdefault(key, {})
        within[column.path[-1]] = cell if column.type is str else msgspec.Raw(cell.encode())
    if is_ranked:
        for output in answer.get("outputs", {"": answer}).values():
            if chances := output.get(_PROBABILITIES):
                output[_PROBABILITIES] = dict(sorted(chances.items(), key=lambda item: -float(bytes(item[1]))))
    return answer


def build_writer(columns: Sequence[Column]) -> Callable[[Sequence[str]], bytes]:
    """What writes the JSON of `answer_of_cells` for rows that hold all classes, in a tenth of its time."""
    marks = [column._replace(type=float) for column in columns]  # so that each mark stands there as it is
    template = msgspec.json.encode(answer_of_cells([_MARK] * len(columns), marks, is_ranked=False)).decode()
    first, *others = template.split(_MARK)
    texts = [column.type is str for column in columns if column.name != ERROR_COLUMN]
    encoded: dict[str, str] = {}  # labels come again and again

    def write(cells: Sequence[str]) -> bytes:
        parts = [first]
        for cell, is_text, following in zip(cells, texts, others, strict=False):
            if is_text and cell not in encoded:
                encoded[cell] = msgspec.json.encode(cell).decode()
            parts += (encoded[cell] if is_text else cell, following)
        return "".join(parts).encode()

    return write


def csv_cell(value: ClassLabel | None) -> str:
    """A value as RFC 4180 has it; numbers are as in JSON, so that they are read as the same."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if not value or _MUST_BE_QUOTED.intersection(value):
        return '"' + value.replace('"', '""') + '"'
    return value


def _common_type(labels: tuple[ClassLabel, ...]) -> type[ClassLabel]:
    types = {type(label) for label in labels}
    return types.pop() if len(types) == 1 else str


def _error_text(error: Mapping[str, Any], line: int | None) -> str:
    place = f"line {line}: " if line is not None else ""
    return f"{error.get('code')}: {place}{error.get('detail')}"
