"""What is wrong with a request, in the words of the person who sent it: field, problem, remedy.

All refusals are made here, so that none names more than the first problems, however many there are.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from pydantic import ValidationError

from gateway.options import REMEDIES
from rhizome.errors import InvalidRequest
from rhizome.signature import Feature, Signature
from rhizome.values import find_problem
from rhizome.wording import expected as _expected
from rhizome.wording import kind_of, remedy_for, shorten, show_value, suggestion

MAX_EXAMINED = 20_000  #: beyond it nothing is named, only counted
MAX_PROBLEMS = 100  #: named in one answer; the rest is counted
_MALFORMED = "json_invalid"
#: How deep a field's problems lie, where it holds others: rows of features, options.
_DEPTHS = {"instances": 3, "inputs": 3, "dataframe_records": 3, "params": 2}
_PARAMS = "params"  #: holds options and nothing else

Problem = dict[str, object]


class Complaints:
    """A request's problems as they are found: the first are named, all are counted."""

    def __init__(self) -> None:
        self.count = 0
        self.named: list[Problem] = []

    @property
    def is_full(self) -> bool:
        """True once no further problem is named; what only words it may then be spared."""
        return len(self.named) >= MAX_PROBLEMS

    def add(self, field: str, problem: str, remedy: str, *, row: int | None = None) -> None:
        """Names a problem, or only counts it."""
        self.count += 1
        if not self.is_full:
            place: Problem = {"field": field} if row is None else {"field": field, "row": row}
            self.named.append(place | {"problem": problem, "remedy": remedy})

    def count_more(self, count: int) -> None:
        """Counts problems that nobody looks at."""
        self.count += count

    def settle(self) -> None:
        """Raises the refusal if there are any problems.

        Raises:
            InvalidRequest: with code `invalid_fields`.
        """
        if self.count:
            raise refusal(self.named, self.count)


def refusal(named: Iterable[Problem], count: int) -> InvalidRequest:
    """The refusal of a request with `count` problems, of which some are named."""
    problems = tuple(islice(named, MAX_PROBLEMS))
    return InvalidRequest(f"{count} problem(s) with the request's fields", code="invalid_fields", problems=problems)


def refuse(field: str, problem: str, remedy: str) -> InvalidRequest:
    """The refusal of a request with one problem."""
    return refusal([{"field": field, "problem": problem, "remedy": remedy}], 1)


def too_many_rows(max_rows: int) -> str:
    """What to do with more rows than a body may hold."""
    return f"send at most {max_rows} rows (RHIZOME_MAX_BATCH_ROWS), or a file of any number to POST /predict/batch"


def is_malformed(error: ValidationError) -> bool:
    """True where the body is not JSON at all; that is then the only error."""
    return error.error_count() == 1 and error.errors(include_input=False)[0]["type"] == _MALFORMED


def describe_problems(
    error: ValidationError, signature: Signature, rows: tuple[str, int] | None = None
) -> tuple[dict[str, object], ...]:
    """One mapping per offending field: `field`, `problem`, `remedy`, and `row` in a batch; `MAX_PROBLEMS` at most.

    Args:
        error: what is wrong with a body, or with some of its rows.
        signature: of the version.
        rows: of rows alone, the field that held them, and the index of the first of them.
    """
    if error.error_count() > MAX_EXAMINED:  # each would become a Python object before the first could be named
        return ()
    features = {feature.name: feature for feature in signature.features}
    seen: dict[tuple[Any, ...], dict[str, object]] = {}
    for problem in error.errors(include_url=False):
        loc = problem["loc"]
        if rows:
            loc = (rows[0], rows[1] + int(loc[0]), *loc[1:])
        place = tuple(loc[: _DEPTHS.get(str(loc[0]), 1) if loc else 1])  # a union's branches are one field
        if place not in seen:
            seen[place] = _describe(place, problem, features)
        if len(seen) == MAX_PROBLEMS:
            break
    return tuple(seen.values())


def describe_cells(
    errors: Mapping[str, ValidationError], form: str, signature: Signature
) -> tuple[dict[str, object], ...]:
    """The same for the bad cells of columns, by feature: in the order of rows, each named `<form>.<row>.<feature>`."""
    if sum(error.error_count() for error in errors.values()) > MAX_EXAMINED:
        return ()
    features = {feature.name: feature for feature in signature.features}
    seen: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for name, error in errors.items():
        for problem in error.errors(include_url=False)[:MAX_PROBLEMS]:
            seen.setdefault((form, problem["loc"][0], name), problem)
    # The sort is stable: within a row, the features keep their order.
    places = sorted(seen, key=lambda place: place[1])[:MAX_PROBLEMS]
    return tuple(_describe(place, seen[place], features) for place in places)


def _describe(place: tuple[Any, ...], problem: Mapping[str, Any], features: Mapping[str, Feature]) -> dict[str, object]:
    described: dict[str, object] = {"field": ".".join(shorten(part) for part in place) or "body"}
    if len(place) > 1 and isinstance(place[1], int):
        described["row"] = place[1]
    name = place[-1] if place else None
    feature = features.get(name) if isinstance(name, str) else None
    text, remedy = _words(problem, feature, shorten(name) if isinstance(name, str) else None, features)
    if problem["type"] == "extra_forbidden" and place[0] == _PARAMS:
        remedy = suggestion(shorten(name), REMEDIES, noun="options")
    return described | {"problem": text, "remedy": remedy}


def _words(  # noqa: PLR0911 - a table of phrases, one per kind of error
    problem: Mapping[str, Any], feature: Feature | None, name: str | None, features: Mapping[str, Feature]
) -> tuple[str, str]:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == _MALFORMED:
        return (
            f"is not JSON: {context.get('error', 'it cannot be read')}",
            "send one valid JSON document in UTF-8",
        )
    if kind == "missing":
        return "is missing", f"add it: {_expected(feature)}"
    if kind == "extra_forbidden":
        return "is not a field of this request", _suggestion(name, features)
    if feature is not None:
        value = problem["input"]
        return find_problem(value, feature) or "is not accepted", remedy_for(feature, value)
    if name in REMEDIES:
        return f"is {show_value(problem['input'])}, not an accepted value", REMEDIES[name]
    if kind in ("too_short", "too_long"):
        return f"holds {context.get('actual_length', 'too many')} rows", _row_bounds(context)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return (
            f"is {kind_of(problem['input'])}, not an object",
            "send an object of features and their values",
        )
    if kind == "list_type":
        return f"is {kind_of(problem['input'])}, not an array", "send an array of objects"
    return f"is {kind_of(problem['input'])}", f"send {_expected(feature)}"


def _suggestion(name: str | None, features: Mapping[str, Feature]) -> str:
    return suggestion(name, features, also=REMEDIES)


def _row_bounds(context: Mapping[str, Any]) -> str:
    if "max_length" in context:
        return too_many_rows(context["max_length"])
    return f"send at least {context.get('min_length', 1)} rows"
