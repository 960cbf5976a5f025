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
    lower, upper = feature.lower, feature.upper
    if feature.dtype == "int64":
        kind = int
        lower = math.ceil(lower if lower is not None else -MAX_EXACT_INTEGER)
        upper = math.floor(upper if upper is not None else MAX_EXACT_INTEGER)
    else:
        kind = float
    bounded = Annotated[kind, Field(ge=lower, le=upper)]
    return bounded | None if feature.nullable else bounded
