"""The words in which a value is refused, the same for a request's fields and for a file's rows."""

from collections.abc import Collection
from difflib import get_close_matches

from rhizome.signature import Feature

SHOWN_CHARACTERS = 40  #: of what was sent; nothing long is echoed


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


def suggestion(name: str | None, features: Collection[str], *, also: Collection[str] = ()) -> str:
    """What to do about a field that is no feature; `also` may be meant, too."""
    close = get_close_matches(name or "", [*features, *also], n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{hint}remove it; the features are {', '.join(list(features)[:50])}"


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
