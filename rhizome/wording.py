"""The words in which a value is refused, the same for a request's fields and for a file's rows."""

import math
from collections.abc import Collection
from difflib import get_close_matches
from itertools import islice

from rhizome.signature import MAX_SAFE_INTEGER, Feature

SHOWN_CHARACTERS = 40  #: of what was sent; nothing long is echoed
SHOWN_NAMES = 50
_SHOWN_CATEGORIES = 20
_BOUND_DIGITS = 12
_SHOWN_INTEGERS = 10**20  #: longer ones are described
MATCHED_CHARACTERS = 200  #: of a name for which a known one is looked for


def expected(feature: Feature | None, beside: object = None) -> str:
    """What a feature accepts.

    Args:
        feature: None where there is none of that name.
        beside: the value that was refused; a bound that would read like it is shown in all its digits.
    """
    if feature is None:
        return "a value of the type that /openapi.json names"
    null = ", or null" if feature.nullable else ""
    if feature.dtype == "category":
        return f"one of {list_names(feature.categories, _SHOWN_CATEGORIES)}{null}"
    is_integer = feature.dtype == "int64"
    kind = "an integer" if is_integer else "a number"
    lower, upper = feature.bounds
    if math.isinf(lower) or math.isinf(upper):
        return kind + null
    if is_integer:
        return f"{kind} from {math.ceil(lower)} to {math.floor(upper)}{null}"
    return f"{kind} from {_show_bound(lower, upper, beside)} to {_show_bound(upper, lower, beside)}{null}"


def remedy_for(feature: Feature, value: object) -> str:
    """What to send instead of a value that was refused."""
    if feature.lower is None or not isinstance(value, int | float) or isinstance(value, bool):
        return f"send {expected(feature, value)}"
    lower, upper = feature.bounds
    limit = MAX_SAFE_INTEGER if feature.dtype == "int64" else math.inf  # beyond it no margin reaches
    is_beyond = -limit < value < lower or upper < value < limit
    wider = ", or train with a larger RHIZOME_RANGE_MARGIN" if is_beyond else ""
    return f"send {expected(feature, value)}{wider}"


def _show_bound(bound: float, other: float, beside: object) -> str:
    """-6.5, rather than -6.500000000000001; in all digits where it would read like the other bound or the value."""
    text = _shorten_number(bound)
    is_alike = text == _shorten_number(other) or (isinstance(beside, int | float) and float(text) == beside)
    return show_value(bound) if is_alike else text


def _shorten_number(number: float) -> str:
    return f"{number:.{_BOUND_DIGITS}g}"


def suggestion(name: str | None, known: Collection[str], *, also: Collection[str] = (), noun: str = "features") -> str:
    """What to do about a field that is unknown.

    Args:
        name: the field.
        known: the names that it could have had.
        also: further names that may be meant.
        noun: what the known names are called.
    """
    by_fold = {other.casefold(): other for other in (*also, *known)}
    close = get_close_matches((name or "")[:MATCHED_CHARACTERS].casefold(), by_fold, n=1)
    hint = f"did you mean '{by_fold[close[0]]}'? " if close else ""
    return f"{hint}remove it; the {noun} are {list_names(known)}"


def list_names(names: Collection[str], shown: int = SHOWN_NAMES) -> str:
    """The first of many names, separated by commas, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(islice(names, shown)) + more


_KINDS = (
    (bool, "true or false"),
    (str, "text"),
    ((int, float), "a number"),
    (list, "an array"),
    (dict, "an object"),
)


def kind_of(value: object) -> str:
    """A value's JSON type, in words."""
    if value is None:
        return "null"
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "of another type")


def show_value(value: object) -> str:
    """A number or a short text as sent, in as many digits as tell it from every other; nothing long is echoed."""
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < _SHOWN_INTEGERS else "a very large number"
    return f"'{shorten(value)}'" if isinstance(value, str) else kind_of(value)


def shorten(part: object) -> str:
    """The beginning of a text."""
    text = str(part)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
