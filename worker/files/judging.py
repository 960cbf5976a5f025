"""The rules that a value of a file's row must keep, and the words where it does not: one row at a time.

The same rules as for requests. Where a format has no types (CSV), text is read as what the feature wants, and an empty
cell is null; a whole number is an integer however it is written. Whole columns are checked by `worker.files.columns`,
which accepts nothing that is refused here.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rhizome.csv_cells import read_cell
from rhizome.signature import Feature, Signature
from rhizome.wording import expected, kind_of, shorten, show_value, suggestion

MAX_EXACT_INTEGER = 2**53  #: beyond it float64 cannot hold every integer
SHOWN_COLUMNS = 10  #: the words are written for each row

Row = tuple[Any, ...]


class BadRow(NamedTuple):
    """A row that cannot be scored.

    Attributes:
        position: its index among the rows of its chunk.
        line: where it stands in the file, 1 being the first line (the first row, of a Parquet file).
        field, problem, remedy: what is wrong with what, and what to do.
    """

    position: int
    line: int
    field: str
    problem: str
    remedy: str

    def answer(self) -> dict[str, Any]:
        """What stands in the row's place in the results."""
        return {
            "error": {
                "code": "invalid_row",
                "detail": f"{self.field} {self.problem}; {self.remedy}",
                "field": self.field,
                "problem": self.problem,
                "remedy": self.remedy,
            },
            "line": self.line,
        }


class Refused(NamedTuple):
    """Why a row is refused."""

    field: str
    problem: str
    remedy: str


def judge_cells(cells: Sequence[str], columns: Sequence[str], signature: Signature) -> Row | Refused:
    """A CSV row's values in the order of the signature, or why it is refused."""
    if len(cells) != len(columns):
        problem = f"has {len(cells)} values, not {len(columns)}"
        more = ", …" if len(columns) > SHOWN_COLUMNS else ""
        return Refused("row", problem, f"send one for each of {', '.join(columns[:SHOWN_COLUMNS])}{more}")
    given = dict(zip(columns, cells, strict=True))
    values = {}
    for feature in signature.features:
        text = given[feature.name]
        value = read_cell(text, feature)
        if value is None and text:
            wanted = "an integer" if feature.dtype == "int64" else "a number"
            return Refused(shorten(feature.name), f"is {show_value(text)}, not {wanted}", f"send {expected(feature)}")
        values[feature.name] = value
    return judge_values(values, signature, null="is empty")


def judge_values(values: Any, signature: Signature, *, null: str = "is null") -> Row | Refused:
    """An object's values in the order of the signature, or why it is refused."""
    if not isinstance(values, Mapping):
        return Refused("row", f"is {kind_of(values)}, not an object", "send an object of features and their values")
    row = []
    for feature in signature.features:
        if feature.name not in values:
            return Refused(shorten(feature.name), "is missing", f"add it: {expected(feature)}")
        value = values[feature.name]
        if problem := _problem_of(value, feature, null):
            return Refused(shorten(feature.name), problem, f"send {expected(feature)}")
        row.append(int(value) if feature.dtype == "int64" and value is not None else value)
    for name in values:
        if name not in signature.names:
            return Refused(shorten(name), "is not a feature of this version", suggestion(str(name), signature.names))
    return tuple(row)


def bounds_of(feature: Feature) -> tuple[float, float]:
    """What a number must lie between."""
    limit = MAX_EXACT_INTEGER if feature.dtype == "int64" else math.inf
    return (
        feature.lower if feature.lower is not None else -limit,
        feature.upper if feature.upper is not None else limit,
    )


def _problem_of(value: Any, feature: Feature, null: str) -> str:
    """What is wrong with a value; empty if nothing is."""
    if value is None:
        return "" if feature.nullable else null
    return _category_problem(value, feature) if feature.dtype == "category" else _number_problem(value, feature)


def _category_problem(value: Any, feature: Feature) -> str:
    if not isinstance(value, str):
        return f"is {kind_of(value)}, not text"
    is_known = not feature.categories or value in feature.categories
    return "" if is_known else f"is {show_value(value)}, not a known category"


def _number_problem(value: Any, feature: Feature) -> str:
    wanted = "an integer" if feature.dtype == "int64" else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {kind_of(value)}, not {wanted}"
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # an integer that float64 cannot hold
        return f"is {show_value(value)}, outside the accepted range"
    if not is_finite:
        return "is not a finite number"
    if feature.dtype == "int64" and value != math.floor(value):
        return f"is {show_value(value)}, not an integer"
    lower, upper = bounds_of(feature)
    return "" if lower <= value <= upper else f"is {show_value(value)}, outside the accepted range"
