"""The words in which a value is refused, the same for a request's fields and for a file's rows."""

from collections.abc import Collection
from difflib import get_close_matches
from itertools import islice

from rhizome.signature import Feature

SHOWN_CHARACTERS = 40  #: of what was sent; nothing long is echoed
SHOWN_NAMES = 50
MATCHED_CHARACTERS = 200  #: of a name for which a known one is looked for


def expected(feature: Feature | None) -> str:
    """What a feature accepts."""
    if feature is None:
        return "a value of the type that /openapi.json names"
    null = ", or null" if feature.nullable else ""
    if feature.dtype == "category":
        return f"one of {', '.join(feature.categories[:20])}{null}"
    kind = "an integer" if feature.dtype == "int64" else "a number"
    if feature.lower is None or feature.upper is None:
        return kind + null
    return f"{kind} from {feature.lower:g} to {feature.upper:g}{null}"


def suggestion(name: str | None, known: Collection[str], *, also: Collection[str] = (), noun: str = "features") -> str:
    """What to do about a field that is unknown.

    Args:
        name: the field.
        known: the names that it could have had.
        also: further names that may be meant.
        noun: what the known names are called.
    """
    close = get_close_matches((name or "")[:MATCHED_CHARACTERS], [*known, *also], n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}remove it; the {noun} are {list_names(known)}"


def list_names(names: Collection[str]) -> str:
    """The first of many names, separated by commas."""
    return ", ".join(islice(names, SHOWN_NAMES))


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
    """A number or a short text as sent; nothing long is echoed."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:g}" if isinstance(value, float) or abs(value) < 10**15 else "a very large number"
    return f"'{shorten(value)}'" if isinstance(value, str) else kind_of(value)


def shorten(part: object) -> str:
    """The beginning of a text."""
    text = str(part)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
