"""The rules that a value of a file's row must keep, and the words where it does not: one row at a time.

The rules of `rhizome.values`, as for requests. Where a format has no types (CSV), text is read as what the feature
wants, and an empty cell is null. Whole columns are checked by `worker.files.columns`,
which accepts nothing that is refused here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rhizome.csv_cells import BLANKS, read_cell
from rhizome.signature import Signature
from rhizome.values import convert, find_problem
from rhizome.wording import expected, kind_of, remedy_for, shorten, show_value, suggestion

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
        if value is None and (text := text.strip(BLANKS)):
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
        if problem := find_problem(value, feature, null=null):
            return Refused(shorten(feature.name), problem, remedy_for(feature, value))
        row.append(convert(value, feature))
    for name in values:
        if name not in signature.names:
            return Refused(shorten(name), "is not a feature of this version", suggestion(str(name), signature.names))
    return tuple(row)
