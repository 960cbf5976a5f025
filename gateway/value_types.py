"""The Pydantic type of one feature's value: strict kind, accepted range, categories, null."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field

from rhizome.signature import Feature

#: Beyond it float64, in which rows travel, cannot hold every integer.
MAX_EXACT_INTEGER = 2**53


def value_type(feature: Feature) -> Any:
    """The annotated type that accepts what `feature` accepts; strictness is the model's to configure."""
    kind: Any
    if feature.dtype == "category":
        kind = Literal[feature.categories] if feature.categories else str
        return kind | None if feature.nullable else kind
    lower, upper = bounds_of(feature)
    kind = int if feature.dtype == "int64" else float
    bounded = Annotated[kind, Field(ge=lower, le=upper)]
    return bounded | None if feature.nullable else bounded


def bounds_of(feature: Feature) -> tuple[float | None, float | None]:
    """The least and the greatest accepted number; None where any finite one is accepted."""
    lower, upper = feature.lower, feature.upper
    if feature.dtype != "int64":
        return lower, upper
    least = math.ceil(lower if lower is not None else -MAX_EXACT_INTEGER)
    return least, math.floor(upper if upper is not None else MAX_EXACT_INTEGER)
