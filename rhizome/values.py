"""The rule of one value: what a feature accepts, as what it travels, and the words where it does not.

One rule for every entrance. Compiled forms of it (`rhizome.value_types`, `gateway.records`, `worker.files.columns`)
take nothing that is refused here, and leave the words to it. Numbers are judged as float64, as which they travel: a
whole number is an integer however it is written, `34.0` as well as `34`.
"""

import math
from typing import Any

from rhizome.signature import Feature
from rhizome.wording import kind_of, show_value


def find_problem(value: Any, feature: Feature, *, null: str = "is null") -> str:
    """What is wrong with a value; empty if nothing is.

    Args:
        value: of JSON.
        feature: what it is meant for.
        null: what is said of None.
    """
    if value is None:
        return "" if feature.nullable else null
    return _category_problem(value, feature) if feature.dtype == "category" else _number_problem(value, feature)


def convert(value: Any, feature: Feature) -> float | int | str | None:
    """An accepted value as the estimator gets it."""
    if value is None:
        return None
    if feature.dtype == "category":
        return feature.texts_of_booleans[value] if isinstance(value, bool) else str(value)
    return int(float(value)) if feature.dtype == "int64" else float(value)


def _category_problem(value: Any, feature: Feature) -> str:
    if isinstance(value, bool) and feature.texts_of_booleans:
        is_known = value in feature.texts_of_booleans
    elif isinstance(value, str):
        is_known = not feature.categories or value in feature.categories
    else:
        return f"is {kind_of(value)}, not text"
    return "" if is_known else f"is {show_value(value)}, not a known category"


def _number_problem(value: Any, feature: Feature) -> str:
    wanted = "an integer" if feature.dtype == "int64" else "a number"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"is {kind_of(value)}, not {wanted}"
    try:
        number = float(value)
    except OverflowError:
        return f"is {show_value(value)}, outside the accepted range"
    if not math.isfinite(number):
        return "is not a finite number"
    if feature.dtype == "int64" and not number.is_integer():
        return f"is {show_value(value)}, not an integer"
    lower, upper = feature.bounds
    return "" if lower <= number <= upper else f"is {show_value(value)}, outside the accepted range"
