"""Acceptance: a version's own rows, as requests, through the validation that requests will meet.

A version that refuses what it was trained on would refuse its clients too, and nobody would know before they did.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from pydantic import BaseModel, ValidationError

from rhizome.errors import RhizomeError
from rhizome.manifest import Manifest
from rhizome.signature import Signature
from rhizome.value_types import build_row_model
from rhizome.values import find_problem
from rhizome.wording import expected, shorten, show_value
from trainer.dataset import Dataset

SAMPLE_ROWS = 2_000  #: of the dataset, evenly spaced; a tenth of a second
Row = tuple[str, tuple[Any, ...]]  #: where it is from, and its values


class RowRefused(RhizomeError):
    """A row that must be accepted is refused; the message names feature, value and row."""

    code = "row_refused"


def check_rows(manifest: Manifest, dataset: Dataset) -> int:
    """Validates a sample of the dataset, the golden rows and the documented example.

    Returns:
        How many rows there were.

    Raises:
        RowRefused: at the first that is refused.
    """
    model, rows = build_row_model(manifest.signature), 0
    for place, values in _rows(manifest, dataset):
        _check_row(model, manifest.signature, place, values)
        rows += 1
    return rows


def _rows(manifest: Manifest, dataset: Dataset) -> Iterator[Row]:
    rows = len(dataset.rows)
    for index in np.unique(np.linspace(0, rows - 1, min(rows, SAMPLE_ROWS)).astype(np.int64)).tolist():
        yield f"row {index + 1} of {dataset.name}", tuple(map(_to_json, dataset.rows[index].tolist()))
    for index, row in enumerate(manifest.golden.rows):
        yield f"golden row {index + 1}", row
    yield "the documented example", tuple(feature.example for feature in manifest.signature.features)


def _check_row(model: type[BaseModel], signature: Signature, place: str, values: tuple[Any, ...]) -> None:
    for value, feature in zip(values, signature.features, strict=True):
        if problem := find_problem(value, feature):
            accepted = expected(feature, value)
            raise RowRefused(f"{place} is refused: '{shorten(feature.name)}' {problem}; accepted is {accepted}")
    row = dict(zip(signature.names, values, strict=True))
    try:
        model.model_validate_json(msgspec.json.encode(row))
    except ValidationError as error:
        name = str(error.errors(include_url=False)[0]["loc"][0])
        raise RowRefused(f"{place} is refused: '{shorten(name)}' is {show_value(row.get(name))}") from None


def _to_json(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value
