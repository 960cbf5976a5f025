"""The Pydantic type of one feature's value, and of a row: the rule of `rhizome.values`, compiled.

Shared, because the trainer puts a version's own rows through what its requests will meet.
"""

import math
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, create_model
from pydantic_core import CoreSchema, core_schema

from rhizome.signature import Feature, Signature

ROW_CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_REFUSED = "value_refused"  #: the one error of a value that may be of several types


def row_fields(signature: Signature) -> dict[str, Any]:
    """The fields of a row's model: `f0`, `f1`, … in the signature's order, since a name may be no Python identifier."""
    return {f"f{index}": (value_type(feature), _field(feature)) for index, feature in enumerate(signature.features)}


def build_row_model(signature: Signature) -> type[BaseModel]:
    """The model of one row as an object of features."""
    return create_model("Row", __config__=ROW_CONFIG, **cast(Any, row_fields(signature)))


def value_type(feature: Feature) -> Any:
    """The annotated type that accepts what `feature` accepts; strictness is the model's to configure."""
    kind: Any
    if feature.dtype == "int64":
        kind = Annotated[int, _WholeNumber(feature)]
    elif feature.dtype == "float64":
        lower, upper = feature.bounds
        is_open = math.isinf(upper)
        kind = float if is_open else Annotated[float, Field(ge=lower, le=upper)]
    elif feature.texts_of_booleans:
        kind = Annotated[str, _BooleanText(feature)]
    else:
        kind = Literal[feature.categories] if feature.categories else str
    return kind | None if feature.nullable else kind


class _WholeNumber:
    """An integer, or a float that is one."""

    def __init__(self, feature: Feature) -> None:
        self._lower, self._upper = feature.bounds
        self._is_exact = feature.is_exact

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.float_schema(strict=True, ge=self._lower, le=self._upper, allow_inf_nan=False)
        choices: list[CoreSchema] = [core_schema.no_info_after_validator_function(_to_integer, number)]
        if self._is_exact:
            least, most = math.ceil(self._lower), math.floor(self._upper)
            choices.insert(0, core_schema.int_schema(strict=True, ge=least, le=most))
        return _as_one(choices)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "integer", "minimum": math.ceil(self._lower), "maximum": math.floor(self._upper)}


class _BooleanText:
    """A category that reads `true` or `false`, or the boolean that it stands for."""

    def __init__(self, feature: Feature) -> None:
        self._texts = feature.texts_of_booleans

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _as_one(
            [
                core_schema.literal_schema(list(self._texts.values())),
                core_schema.no_info_after_validator_function(self._to_text, core_schema.bool_schema(strict=True)),
            ]
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": [*self._texts.values(), *self._texts]}

    def _to_text(self, value: bool) -> str:
        if value not in self._texts:
            raise ValueError("not a category")
        return self._texts[value]


def _as_one(choices: list[CoreSchema]) -> CoreSchema:
    """The first of `choices` that fits, or a single error."""
    union = core_schema.union_schema(cast(Any, choices), mode="left_to_right")
    return core_schema.custom_error_schema(union, _REFUSED, custom_error_message="is not accepted")


def _to_integer(number: float) -> int:
    if not number.is_integer():
        raise ValueError("not a whole number")
    return int(number)


def _field(feature: Feature) -> Any:
    return Field(alias=feature.name, examples=[feature.example] if feature.example is not None else None)
