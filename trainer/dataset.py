"""The dataset: a checked table split into feature rows and target, with the signature a version of it will have.

Every fault of the file is found here, before anything is fitted, and named by column, line and remedy.
"""

import re
import statistics
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rhizome.errors import DatasetError
from rhizome.inference import to_array
from rhizome.signature import MAX_SAFE_INTEGER, ClassLabel, Feature, Output, Signature
from trainer.column import Column, parse_column
from trainer.table import Table, load_table
from trainer.target import parse_targets

#: Fewer rows leave a holdout too small to tell a good version from a bad one.
MINIMUM_ROWS = 30
_MOST = sys.float_info.max
_INDEX_NAME = re.compile(r"Unnamed: \d+")  #: what pandas calls a column without a name


@dataclass(frozen=True)
class Dataset:
    """Rows ready to be split and fitted.

    Attributes:
        name: the file's name.
        sha256: of the file's bytes, in hex.
        signature: features with their ranges, task, and outputs with their classes.
        rows: shape (n, features); float64 with NaN where missing if all features are numbers, else object with None.
        labels: shape (n,), or (n, outputs) where there are several; text or int64 for classification, float64 for
            regression.
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

    def truth(self, rows: NDArray[np.int64]) -> list[NDArray[Any]]:
        """The labels of some rows, one array of shape (rows,) per output."""
        return list(self.labels[rows].reshape(len(rows), -1).T)

    @cached_property
    def strata(self) -> list[tuple[Output, ClassLabel, NDArray[np.bool_]]]:
        """Each class of each output with the rows that are of it, shape (n,); empty for regression."""
        columns = self.truth(np.arange(len(self.labels)))
        return [
            (output, label, column == label)
            for output, column in zip(self.signature.outputs, columns, strict=True)
            for label in output.classes
        ]


def load_dataset(path: Path, target: str, range_margin: float) -> Dataset:
    """Reads and checks a CSV file.

    Args:
        path: UTF-8, comma-separated, with a header.
        target: the column to predict, or several, separated by commas.
        range_margin: how far beyond the seen range a request may go, in spans of that range.

    Raises:
        DatasetError: naming the column and line at fault and what to do.
    """
    table = load_table(path)
    names = _find_targets(table, target, path)
    if len(table.rows) < MINIMUM_ROWS:
        raise DatasetError(f"{path} has {len(table.rows)} rows; at least {MINIMUM_ROWS} are needed, add more")
    features = _parse_features(table, names)
    targets = parse_targets(table, names)
    signature = Signature(
        features=tuple(_describe(column, range_margin) for column in features),
        task=targets.task,
        outputs=targets.outputs,
    )
    rows = to_array(list(zip(*(column.values for column in features), strict=True)), signature)
    return Dataset(table.name, table.sha256, signature, rows, targets.labels)


def _find_targets(table: Table, target: str, path: Path) -> tuple[str, ...]:
    """The columns that RHIZOME_TARGET names; a header may itself hold a comma."""
    names = (target,) if target in table.header else tuple(name.strip() for name in target.split(","))
    for index, name in enumerate(names):
        if name not in table.header:
            raise DatasetError(
                f"{path} has no column '{name}' to predict; set RHIZOME_TARGET to one of {', '.join(table.header)}, "
                "or to several of them, separated by commas"
            )
        if name in names[:index]:
            raise DatasetError(f"RHIZOME_TARGET names the column '{name}' twice; name each once")
    return names


def _parse_features(table: Table, targets: tuple[str, ...]) -> list[Column]:
    columns = [
        parse_column(name, table.cells(index), table.lines)
        for index, name in enumerate(table.header)
        if name not in targets
    ]
    if not columns:
        raise DatasetError(
            f"{table.name} has only the target column '{', '.join(targets)}'; add the features to predict it from"
        )
    for column in columns:
        if _INDEX_NAME.fullmatch(column.name) and column.values == list(range(len(column.values))):
            raise DatasetError(
                f"column '{column.name}' only counts the rows: it is an index that pandas wrote; remove it, or write "
                "the file with index=False"
            )
        distinct = len(set(column.present))
        if distinct == 0:
            raise DatasetError(f"column '{column.name}' is empty in every row; fill it or remove it")
        if distinct == 1:
            raise DatasetError(
                f"column '{column.name}' is constant ({column.present[0]!r} in every row) and tells nothing; remove it"
            )
    return columns


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
    lower, upper = _widen(minimum, maximum, range_margin, MAX_SAFE_INTEGER if column.dtype == "int64" else _MOST)
    return Feature(
        name=column.name,
        dtype=column.dtype,
        minimum=minimum,
        maximum=maximum,
        lower=lower,
        upper=upper,
        nullable=column.nullable,
        example=statistics.median_low(numbers),
    )


def _widen(minimum: float, maximum: float, margin: float, most: float) -> tuple[float, float]:
    """The seen range widened by `margin` of its spans, within `most`; exact, since every row must be accepted again."""
    beyond = margin * (maximum - minimum) if margin else 0.0
    return max(minimum - beyond, -most), min(maximum + beyond, most)
