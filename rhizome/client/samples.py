"""Turning what people have into rows: mappings, lists, arrays, data frames of any library, none of which is imported.

What a library's objects can do is asked of the objects themselves: data frames by `columns` and `to_dict` or by
`column_names`, series by `tolist`, `to_list` or `to_pylist`, arrays by `__array__`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from rhizome.client.errors import InvalidInput, Problem

#: Missing values of pandas that are neither None nor NaN, by the names of their types.
_MISSING_TYPES = {"NAType", "NaTType"}
_PLAIN_TYPES = (int, bool, type(None))


class Samples:
    """Rows in input order.

    Args:
        columns: one sequence per feature, in the order of `names`, all of the same length.
        rows: mappings from feature to value; used where `columns` is None.
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        columns: Sequence[Sequence[Any]] | None = None,
        rows: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._names = [str(name) for name in names]
        self._columns = columns
        self._rows = rows

    def __len__(self) -> int:
        if self._columns is None:
            return len(self._rows)
        return len(self._columns[0]) if self._columns else 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows as JSON can carry them.

        Raises:
            InvalidInput: naming the row and the field that it cannot.
        """
        if self._columns is None:
            for index, row in enumerate(self._rows):
                yield clean_row(row, f"[{index}].")
            return
        for index, values in enumerate(zip(*self._columns, strict=True)):
            yield {name: clean(value, name, f"[{index}].") for name, value in zip(self._names, values, strict=True)}


def needs_names(data: Any, columns: Sequence[str] | None) -> bool:
    """Whether the data is positional and nobody has said which feature comes where."""
    return columns is None and not _is_named(data)


def read_samples(data: Any, names: Sequence[str] = ()) -> Samples:
    """Many samples from a data frame, a mapping of columns, a list of mappings, or rows by position.

    Args:
        data: pandas, polars or pyarrow frames; `{"feature": [values], …}`; mappings; an array or lists of shape
            (rows, features).
        names: the features in the order of the positions.

    Raises:
        InvalidInput: it is none of these, or its shape does not fit.
    """
    if (frame := _frame_columns(data)) is not None:
        found, columns = frame
        return Samples(found, _equally_long(found, columns))
    if isinstance(data, Mapping):
        names = list(data)
        return Samples(names, _equally_long(names, [_as_list(column) for column in data.values()]))
    rows = _as_list(data)
    if rows and isinstance(rows[0], Mapping):
        return Samples(rows=rows)
    return Samples(names, _positional(rows, names))


def read_sample(data: Any, names: Sequence[str] = ()) -> dict[str, Any]:
    """One sample from a mapping, a series, a frame of one row, or values by position.

    Raises:
        InvalidInput: it is none of these, or its shape does not fit.
    """
    if isinstance(data, Mapping):
        return clean_row(data)
    if _frame_columns(data) is not None:
        samples = read_samples(data)
        if len(samples) != 1:
            raise _misfit("the frame", f"has {len(samples)} rows, not one", "use predict_batch for many samples")
        return next(iter(samples))
    if hasattr(data, "to_dict"):  # a series
        return clean_row(data.to_dict())
    values = _as_list(data)
    is_table = len(values) == 1 and isinstance(values[0], list | tuple)  # of shape (1, features)
    return next(iter(Samples(names, _positional(values if is_table else [values], names))))


def clean_row(row: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """A row as JSON can carry it."""
    if not isinstance(row, Mapping):
        raise _misfit(path.rstrip("."), f"is a {type(row).__name__}, not a mapping", "send all rows in one form")
    return {str(name): clean(value, name, path) for name, value in row.items()}


def clean(value: Any, name: Any, path: str = "") -> Any:
    """One value as JSON can carry it; NaN and what libraries have for missing values become null.

    Raises:
        InvalidInput: JSON cannot carry it.
    """
    if type(value) in _PLAIN_TYPES:
        return value
    if type(value) is str:
        return value if value.isascii() else _check_text(value, name, path)
    if isinstance(value, float | Decimal):
        # Decimal's signalling NaN is missing, too, but refuses to become a float.
        number = math.nan if isinstance(value, Decimal) and value.is_nan() else float(value)
        if math.isinf(number):
            raise _misfit(f"{path}{name}", "is infinite", "send a finite number, or None for a missing value")
        return None if math.isnan(number) else number
    return _clean_unusual(value, name, path)


def _clean_unusual(value: Any, name: Any, path: str) -> Any:
    kind = type(value).__name__
    if kind in _MISSING_TYPES:
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return clean(value.value, name, path)
    if hasattr(value, "item"):  # a NumPy scalar
        return clean(value.item(), name, path)
    for plain in (str, int):  # of a subclass
        if isinstance(value, plain):
            return clean(plain(value), name, path)
    raise _misfit(f"{path}{name}", f"is a {kind}", "send a number, text, true, false or None")


def _check_text(value: str, name: Any, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _misfit(f"{path}{name}", "is no valid text: it holds half a character", "send valid Unicode") from None
    return value


def _is_named(data: Any) -> bool:
    if isinstance(data, Mapping) or hasattr(data, "to_dict") or hasattr(data, "column_names"):
        return True
    return isinstance(data, list | tuple) and bool(data) and isinstance(data[0], Mapping)


def _frame_columns(data: Any) -> tuple[list[str], list[list[Any]]] | None:
    """Names and columns of a data frame; None if it is none."""
    if hasattr(data, "column_names") and hasattr(data, "column"):  # pyarrow
        return list(data.column_names), [_as_list(data.column(i)) for i in range(len(data.column_names))]
    if not (hasattr(data, "columns") and hasattr(data, "to_dict")):
        return None
    names = [str(name) for name in data.columns]
    if twice := {name for name in names if names.count(name) > 1}:
        raise _misfit(sorted(twice)[0], "is the name of several columns", "rename or drop one of them")
    return names, [_as_list(data[name]) for name in data.columns]


def _as_list(values: Any) -> list[Any]:
    if isinstance(values, list):
        return values
    for name in ("tolist", "to_list", "to_pylist"):
        if convert := getattr(values, name, None):
            converted = convert()
            return converted if isinstance(converted, list) else [converted]
    if hasattr(values, "__array__"):
        return _as_list(values.__array__())
    if isinstance(values, Iterable) and not isinstance(values, str | bytes):
        return list(values)
    raise _misfit(
        "the data", f"is a {type(values).__name__}", "send a data frame, an array, a list of mappings or a file's path"
    )


def _positional(rows: Sequence[Any], names: Sequence[str]) -> list[list[Any]]:
    """Columns from rows by position."""
    for index, row in enumerate(rows):
        values = row if isinstance(row, list | tuple) else None
        if values is None and not hasattr(row, "__array__"):
            raise _misfit(f"[{index}]", f"is a {type(row).__name__}", f"send {len(names)} values: {', '.join(names)}")
        if len(row) != len(names):
            raise _misfit(f"[{index}]", f"has {len(row)} values", f"send {len(names)}: {', '.join(names)}")
    return [list(column) for column in zip(*rows, strict=True)]


def _equally_long(names: Sequence[str], columns: list[list[Any]]) -> list[list[Any]]:
    for name, column in zip(names, columns, strict=True):
        if len(column) != len(columns[0]):
            raise _misfit(name, f"has {len(column)} values, {names[0]} has {len(columns[0])}", "send equal columns")
    return columns


def _misfit(field: str, problem: str, remedy: str) -> InvalidInput:
    return InvalidInput("the data cannot be sent as it is", problems=[Problem(field, problem, remedy)])
