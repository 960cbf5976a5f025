"""Validation of whole columns: the short way from tables and tensors to rows, as strict as that of single samples.

Apart from the validator of objects: a column is one compiled check of a list, three times as fast as its rows as
objects.
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from gateway.complaints import MAX_EXAMINED, describe_cells, refusal
from rhizome.signature import Signature
from rhizome.value_types import value_type


class ColumnValidator:
    """Validates columns against one signature; safe to share between threads."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        config = ConfigDict(strict=True, allow_inf_nan=False)
        self._types: list[TypeAdapter[Any]] = [
            TypeAdapter(cast(Any, list)[value_type(feature)], config=config) for feature in signature.features
        ]

    def to_rows(self, columns: list[Any], form: str) -> Iterable[tuple[Any, ...]]:
        """The rows of `columns`.

        Args:
            columns: one list, or array with NaN for null, per feature, in the signature's order, all of one length.
                They are used up: what was sent and what was checked are not held at once.
            form: the field of the request that held them; a bad cell is named `<form>.<row>.<feature>`.

        Raises:
            InvalidRequest: naming every bad cell.
        """
        errors: dict[str, ValidationError] = {}
        count = 0
        checked: list[Sequence[Any]] = []
        columns.reverse()
        for feature, kind in zip(self._signature.features, self._types, strict=True):
            column = columns.pop()
            try:
                values = kind.validate_python(column if isinstance(column, list) else unpack(column))
                checked.append(self._pack(values))  # an integer becomes the float that it means
            except ValidationError as error:
                count += error.error_count()
                errors[feature.name] = error
                if count > MAX_EXAMINED:
                    errors.clear()  # none is named, and each takes its memory
        if count:
            raise refusal(describe_cells(errors, form, self._signature), count)
        return zip(*checked, strict=True)

    def _pack(self, values: list[Any]) -> Sequence[Any]:
        """In a fifth of the memory, where rows travel as floats, and null as NaN."""
        if not self._signature.is_numeric:
            return values
        return array("d", [math.nan if value is None else value for value in values] if None in values else values)


def unpack(column: Iterable[float]) -> list[float | None]:
    """Floats, with None for NaN, which no request holds."""
    return [None if math.isnan(value) else value for value in column]
