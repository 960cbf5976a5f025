"""The forms in which a JSON body may hold a table, after MLflow's scoring protocol [1].

`instances` and `inputs` hold records, lists of values in the signature's order, or a dictionary of columns;
`dataframe_records` holds records; `dataframe_split` names its columns once. Records have a compiled validator of their
own (`gateway.validation`); everything else becomes columns here.

[1] https://mlflow.org/docs/latest/genai/serving/#rest-api-reference
"""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json

from gateway.complaints import MAX_PROBLEMS, Complaints, Problem, refusal, refuse, too_many_rows
from rhizome.errors import InvalidRequest
from rhizome.wording import kind_of, list_names, shorten, suggestion

RECORDS, SPLIT = "dataframe_records", "dataframe_split"
RECORD_FORMS = ("instances", "inputs", RECORDS)
FORMS = (*RECORD_FORMS, SPLIT)
_TURNED_ROWS = 500  #: at once
_SPLIT_PARTS = ("columns", "data", "index")
#: The start of most bodies: it tells their form without reading them twice.
_RECORDS_BODY = re.compile(rb'\s*\{\s*"(instances|inputs|dataframe_records)"\s*:\s*\[\s*\{')


class Table(NamedTuple):
    """A table as it was sent.

    Attributes:
        form: the field that held it.
        columns: one list per feature, in order and of one length; None where the table is a list of records.
        records: those, the first of which is an object; None where there are columns.
        beside: the body's other fields.
    """

    form: str
    columns: list[list[Any]] | None
    records: list[Any] | None
    beside: dict[str, Any]


def find_records(body: bytes) -> str | None:
    """The form of a body that begins with a list of records; None where that takes reading it."""
    found = _RECORDS_BODY.match(body)
    return found[1].decode() if found else None


def read_table(body: bytes, names: Sequence[str], *, max_rows: int) -> Table:
    """The table in a JSON body; its cells are not looked at.

    Args:
        body: the request's.
        names: of the features, in order.
        max_rows: the most rows it may have.

    Raises:
        InvalidRequest: the body is not JSON, or holds no table of these columns; every problem is named.
    """
    document = read_document(body)
    if not isinstance(document, dict):
        raise refuse("body", f"is {kind_of(document)}, not an object", _one_form())
    form = _find_form(document)
    table = document.pop(form)
    if form == RECORDS and not isinstance(table, list):
        raise refuse(form, f"is {kind_of(table)}, not an array", "send an array of objects")
    if form == SPLIT:
        columns: list[list[Any]] | None = _read_split(table, names, max_rows)
    elif isinstance(table, dict):
        columns = _read_columns(form, table, names, max_rows)
    else:
        columns = _read_list(form, table, names, max_rows)
    return Table(form, columns, table if columns is None else None, document)


def read_document(body: bytes) -> Any:
    """The JSON document that a body is.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        return from_json(body, cache_strings="keys")
    except ValueError as error:
        remedy = "send one valid JSON document in UTF-8"
        problem: Problem = {"field": "body", "problem": f"is not JSON: {error}", "remedy": remedy}
        raise InvalidRequest("the body is not valid JSON", code="malformed_json", problems=(problem,)) from None


def _find_form(document: dict[str, Any]) -> str:
    given = [form for form in FORMS if form in document]
    if not given:
        raise refuse(FORMS[0], "is missing", _one_form())
    complaints = Complaints()
    for form in given[1:]:
        complaints.add(form, f"is a second table beside '{given[0]}'", "send exactly one")
    complaints.settle()
    return given[0]


def _read_list(form: str, table: Any, names: Sequence[str], max_rows: int) -> list[list[Any]] | None:
    """Columns from rows of values in order; None where the rows are records."""
    if not isinstance(table, list):
        raise refuse(form, f"is {kind_of(table)}, not an array", "send an array of rows")
    _check_count(form, len(table), max_rows)
    if isinstance(table[0], dict) or form == RECORDS:
        return None
    remedy = f"send an object, or an array of {len(names)} values: {list_names(names)}"
    return turn_rows(form, table, len(names), remedy)


def _read_columns(form: str, table: dict[str, Any], names: Sequence[str], max_rows: int) -> list[list[Any]]:
    """Columns from a dictionary of them."""
    if not table:
        raise refuse(form, "holds no columns", f"send {list_names(names)}")
    complaints = _check_names(form, list(table), names)
    for name in names:
        if name in table and not isinstance(table[name], list):
            problem = f"is {kind_of(table[name])}, not an array"
            complaints.add(f"{form}.{shorten(name)}", problem, "send an array, one value a row")
    complaints.settle()
    columns: list[list[Any]] = [table[name] for name in names]
    rows = len(columns[0])
    _check_count(form, rows, max_rows)
    for name, column in zip(names, columns, strict=True):
        if len(column) != rows:
            complaints.add(f"{form}.{shorten(name)}", f"holds {len(column)} values", f"send {rows}, as '{names[0]}'")
    complaints.settle()
    return columns


def _read_split(table: Any, names: Sequence[str], max_rows: int) -> list[list[Any]]:
    """Columns from pandas' split orientation, whose `index` is of no meaning here."""
    if not isinstance(table, dict):
        raise refuse(SPLIT, f"is {kind_of(table)}, not an object", "send an object of 'columns' and 'data'")
    complaints = Complaints()
    for part in table:
        if part not in _SPLIT_PARTS:
            complaints.add(f"{SPLIT}.{shorten(part)}", "is not a field of this request", "remove it")
    for part in _SPLIT_PARTS[:2]:
        if not isinstance(table.get(part), list):
            problem = f"is {kind_of(table[part])}, not an array" if part in table else "is missing"
            remedy = "send an array of the columns' names" if part == "columns" else "send an array of rows"
            complaints.add(f"{SPLIT}.{part}", problem, remedy)
    complaints.settle()
    sent: list[Any] = table["columns"]
    _check_names(f"{SPLIT}.columns", sent, names).settle()
    _check_count(f"{SPLIT}.data", len(table["data"]), max_rows)
    index = table.get("index")
    if index is not None and (not isinstance(index, list) or len(index) != len(table["data"])):
        raise refuse(f"{SPLIT}.index", "does not fit the rows", "send one entry a row, or leave it out")
    turned = turn_rows(SPLIT, table["data"], len(names), f"send an array of {len(names)} values, one a column")
    return [turned[sent.index(name)] for name in names]


def _check_names(place: str, sent: Sequence[Any], names: Sequence[str]) -> Complaints:
    """Columns that are unknown, named twice, or missing."""
    known = set(names)
    complaints, seen = Complaints(), set()
    examined = sent[: len(names) + MAX_PROBLEMS]
    complaints.count_more(len(sent) - len(examined))  # they are too many, whatever they are called
    for name in examined:
        if not isinstance(name, str):
            complaints.add(place, f"holds {kind_of(name)}, not a name", f"send {list_names(names)}")
        elif name in seen:
            complaints.add(f"{place}.{shorten(name)}", "is there twice", "send it once")
        elif name not in known:
            remedy = "" if complaints.is_full else suggestion(name, names)
            complaints.add(f"{place}.{shorten(name)}", "is not a feature", remedy)
        else:
            seen.add(name)
    for name in names:
        if name not in seen:
            complaints.add(f"{place}.{shorten(name)}", "is missing", "add it")
    return complaints


def _check_count(place: str, rows: int, max_rows: int) -> None:
    if not 1 <= rows <= max_rows:
        remedy = too_many_rows(max_rows) if rows else "send at least 1 row"
        raise refuse(place, f"holds {rows} rows", remedy)


def turn_rows(form: str, rows: list[Any], width: int, remedy: str) -> list[list[Any]]:
    """Columns from rows of `width` values; the rows are used up, so that no value is in two lists for long.

    Raises:
        InvalidRequest: naming every row that is no array of so many.
    """
    if set(map(type, rows)) == {list} and set(map(len, rows)) == {width}:
        columns: list[list[Any]] = [[] for _ in range(width)]
        for start in range(0, len(rows), _TURNED_ROWS):
            turned = rows[start : start + _TURNED_ROWS]
            rows[start : start + _TURNED_ROWS] = [()] * len(turned)
            for column, values in zip(columns, zip(*turned, strict=True), strict=True):
                column.extend(values)
        return columns
    complaints = Complaints()
    for index, row in enumerate(rows):
        if not isinstance(row, list):
            complaints.add(f"{form}.{index}", f"is {kind_of(row)}, not an array", remedy, row=index)
        elif len(row) != width:
            complaints.add(f"{form}.{index}", f"holds {len(row)} values", remedy, row=index)
    raise refusal(complaints.named, complaints.count)


def _one_form() -> str:
    return f"send an object with one of {', '.join(FORMS)}"
