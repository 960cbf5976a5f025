"""The dataset: a checked table split into feature rows and target, with the signature a version of it will have.

Every fault of the file is found here, before anything is fitted, and named by column, line and remedy.
"""

import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from rhizome.errors import DatasetError
from rhizome.inference import to_array
from rhizome.signature import ClassLabel, Feature, Signature
from trainer.column import Column, parse_column
from trainer.table import Table, load_table

#: Fewer rows leave a holdout too small to tell a good version from a bad one.
MINIMUM_ROWS = 30
#: Fewer cannot fill both the holdout and the folds of the cross-validation.
MINIMUM_ROWS_PER_CLASS = 10
#: A numeric target with more distinct values than this is a quantity, not a label.
MAXIMUM_NUMERIC_CLASSES = 20


@dataclass(frozen=True)
class Dataset:
    """Rows ready to be split and fitted.

    Attributes:
        name: the file's name.
        sha256: of the file's bytes, in hex.
        signature: features with their ranges, target, task and classes.
        rows: shape (n, features); float64 with NaN where missing if all features are numbers, else object with None.
        labels: shape (n,); text or int64 for classification, float64 for regression.
    """

    name: str
    sha256: str
    signature: Signature
    rows: NDArray[Any]
    labels: NDArray[Any]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """In the order of the columns of `rows`."""
        return self.signature.names

    @property
    def dtypes(self) -> tuple[str, ...]:
        """`float64`, `int64` or `category`, in the order of the columns of `rows`."""
        return tuple(feature.dtype for feature in self.signature.features)


def load_dataset(path: Path, target: str, range_margin: float) -> Dataset:
    """Reads and checks a CSV file.

    Args:
        path: UTF-8, comma-separated, with a header.
        target: the column to predict.
        range_margin: how far beyond the seen range a request may go, in spans of that range.

    Raises:
        DatasetError: naming the column and line at fault and what to do.
    """
    table = load_table(path)
    if target not in table.header:
        raise DatasetError(
            f"{path} has no column '{target}' to predict; set RHIZOME_TARGET to one of {', '.join(table.header)}"
        )
    if len(table.rows) < MINIMUM_ROWS:
        raise DatasetError(f"{path} has {len(table.rows)} rows; at least {MINIMUM_ROWS} are needed, add more")
    features = _parse_features(table, target)
    task, labels = _parse_target(table, target)
    classes = tuple(sorted(set(labels))) if task == "classification" else ()
    signature = Signature(
        features=tuple(_describe(column, range_margin) for column in features),
        target=target,
        task=task,
        classes=cast(tuple[ClassLabel, ...], classes),
    )
    rows = to_array(list(zip(*(column.values for column in features), strict=True)), signature)
    return Dataset(table.name, table.sha256, signature, rows, np.array(labels))


def _parse_features(table: Table, target: str) -> list[Column]:
    columns = [
        parse_column(name, table.cells(index), table.lines) for index, name in enumerate(table.header) if name != target
    ]
    if not columns:
        raise DatasetError(f"{table.name} has only the target column '{target}'; add the features to predict it from")
    for column in columns:
        distinct = len(set(column.present))
        if distinct == 0:
            raise DatasetError(f"column '{column.name}' is empty in every row; fill it or remove it")
        if distinct == 1:
            raise DatasetError(
                f"column '{column.name}' is constant ({column.present[0]!r} in every row) and tells nothing; remove it"
            )
    return columns


def _parse_target(table: Table, target: str) -> tuple[Literal["classification", "regression"], list[Any]]:
    cells = table.cells(table.header.index(target))
    for cell, line in zip(cells, table.lines, strict=True):
        if not cell:
            raise DatasetError(f"column '{target}', line {line}: the target is missing; fill it or remove the row")
    column = parse_column(target, cells, table.lines)
    labels = column.present
    if column.dtype != "category":
        numbers = cast(list[float | int], labels)
        if any(number != int(number) for number in numbers) or len(set(numbers)) > MAXIMUM_NUMERIC_CLASSES:
            return "regression", [float(number) for number in numbers]
        labels = [int(number) for number in numbers]
    _check_classes(target, Counter(labels))
    return "classification", labels


def _check_classes(target: str, counts: Counter[Any]) -> None:
    if len(counts) < 2:
        raise DatasetError(f"column '{target}' holds only the class {next(iter(counts))!r}; at least two are needed")
    rarest, rows = min(counts.items(), key=lambda item: item[1])
    if rows < MINIMUM_ROWS_PER_CLASS:
        raise DatasetError(
            f"column '{target}': the class {rarest!r} has {rows} rows, at least {MINIMUM_ROWS_PER_CLASS} are needed; "
            "add rows of it or merge it with another"
        )


def _describe(column: Column, range_margin: float) -> Feature:
    if column.dtype == "category":
        texts = cast(list[str], column.present)
        return Feature(
            name=column.name,
            dtype="category",
            categories=tuple(sorted(set(texts))),
            nullable=column.nullable,
            example=statistics.mode(texts),
        )
    numbers = cast(list[float | int], column.present)
    minimum, maximum = min(numbers), max(numbers)
    margin = range_margin * (maximum - minimum)
    return Feature(
        name=column.name,
        dtype=column.dtype,
        minimum=minimum,
        maximum=maximum,
        lower=_shorten(minimum - margin),
        upper=_shorten(maximum + margin),
        nullable=column.nullable,
        example=statistics.median_low(numbers),
    )


def _shorten(bound: float) -> float:
    """Twelve significant digits: -6.5 rather than -6.500000000000001 in messages and documentation."""
    return float(f"{bound:.12g}")
