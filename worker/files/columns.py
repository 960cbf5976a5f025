"""Whole columns against the signature: types, nulls, ranges, categories; and the array an estimator takes."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rhizome.signature import Feature, Signature

Mask = NDArray[np.bool_]
_INT64_END = 2.0**63


def check_table(table: pa.Table, signature: Signature) -> tuple[NDArray[Any], Mask]:
    """The rows of a table that holds every feature.

    Returns:
        The array (n rows, n features), as `rhizome.inference.to_array` makes it, and which rows are acceptable; others
        may hold anything.
    """
    accepted: Mask = np.ones(len(table), dtype=bool)
    columns = []
    for feature in signature.features:
        column = table.column(feature.name)
        values, is_good = _check_category(column, feature) if feature.dtype == "category" else _check(column, feature)
        accepted &= is_good
        columns.append(values)
    return _join(columns, signature, len(table)), accepted


def check_array(array: NDArray[Any], signature: Signature) -> Mask:
    """Which rows of `array` (n rows, n features), whose types are right, hold numbers within their bounds."""
    accepted: Mask = np.ones(len(array), dtype=bool)
    for index, feature in enumerate(signature.features):
        if feature.dtype != "category":
            values = array[:, index].astype(np.float64)
            accepted &= _is_within(values, feature) | (np.isnan(values) if feature.nullable else False)
    return accepted


def _check(column: pa.ChunkedArray, feature: Feature) -> tuple[NDArray[Any], Mask]:
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.string())  # Arrow's own way to a float64 rounds twice: 0.35 becomes 0.35000000000000003
    if not pa.types.is_float64(column.type):
        column = column.cast(pa.float64(), safe=False)
    values = column.to_numpy()
    accepted = _is_within(values, feature)
    if feature.nullable and column.null_count:
        accepted |= pc.is_null(column).to_numpy()
    return values, accepted


def _is_within(values: NDArray[np.float64], feature: Feature) -> Mask:
    lower, upper = feature.bounds
    accepted: Mask = np.isfinite(values) & (values >= lower) & (values <= upper)
    if feature.dtype == "int64":
        accepted &= values == np.floor(values)
    return accepted


def _check_category(column: pa.ChunkedArray, feature: Feature) -> tuple[NDArray[Any], Mask]:
    if pa.types.is_dictionary(column.type):
        parts = [_check_encoded(chunk, feature) for chunk in column.chunks]
        return np.concatenate([values for values, _ in parts]), np.concatenate([is_good for _, is_good in parts])
    if pa.types.is_boolean(column.type):
        texts = feature.texts_of_booleans
        column = pc.if_else(column, texts.get(True), texts.get(False))
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    nulls: Mask = pc.is_null(column).to_numpy()
    if feature.categories:
        known: Mask = pc.is_in(column, value_set=pa.array(feature.categories, pa.string())).to_numpy()
    else:
        known = ~nulls
    return column.to_numpy(), known | nulls if feature.nullable else known & ~nulls


def _check_encoded(chunk: pa.DictionaryArray, feature: Feature) -> tuple[NDArray[Any], Mask]:
    """The same, each text judged once; all rows of a text share it, so one repeated a million times costs no memory."""
    texts = chunk.dictionary.to_pylist()
    known = set(feature.categories) if feature.categories else {text for text in texts if text is not None}
    is_good = np.array([feature.nullable if text is None else text in known for text in [*texts, None]], dtype=bool)
    values = np.array([*texts, None], dtype=object)
    places = chunk.indices.cast(pa.int64()).fill_null(len(texts)).to_numpy()
    return values[places], is_good[places]


def _join(columns: list[NDArray[Any]], signature: Signature, rows: int) -> NDArray[Any]:
    if signature.is_numeric:
        return np.column_stack(columns) if rows else np.empty((0, len(columns)))
    array = np.empty((rows, len(columns)), dtype=object)
    for index, (values, feature) in enumerate(zip(columns, signature.features, strict=True)):
        if feature.dtype == "int64" and (np.abs(values) < _INT64_END).all():
            values = values.astype(np.int64)  # noqa: PLW2901 - as a request's integers are
        array[:, index] = values
    return array
