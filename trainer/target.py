"""The target columns: what is predicted, as labels or as quantities.

Apart from the dataset, because a target is judged by other rules than a feature: it is never missing, and whether it is
a class or a quantity decides the task.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from rhizome.errors import DatasetError
from rhizome.signature import Output
from trainer.column import codes_remedy, parse_column
from trainer.table import Table

Task = Literal["classification", "regression"]

#: Fewer cannot fill both the holdout and the folds of the cross-validation.
MINIMUM_ROWS_PER_CLASS = 10
#: A numeric target with more distinct values than this is a quantity, not a label.
MAXIMUM_NUMERIC_CLASSES = 20
_SHOWN_CLASSES = 10
_WHOLE_CLASSES = (
    f" (whole numbers of at most {MAXIMUM_NUMERIC_CLASSES} different values are learned as classes; a quantity is "
    "recognised by more values or by fractions)"
)


class Targets(NamedTuple):
    """All target columns.

    Attributes:
        task: of every one of them.
        outputs: their names and classes.
        labels: shape (n,), or (n, outputs) where there are several; text, int64 or, for regression, float64.
    """

    task: Task
    outputs: tuple[Output, ...]
    labels: NDArray[Any]


def parse_targets(table: Table, names: Sequence[str]) -> Targets:
    """Decides what the target columns are, and converts them.

    Raises:
        DatasetError: a target is missing in a row, a class is too rare, or classes and quantities are mixed.
    """
    columns = [_parse_target(table, name) for name in names]
    task = columns[0][0]
    for name, (other, _) in zip(names, columns, strict=True):
        if other != task:
            raise DatasetError(
                f"the target '{names[0]}' makes a {task} and '{name}' a {other}; one version learns one task: train "
                "them under two model names"
            )
    values = [labels for _, labels in columns]
    if task == "classification" and len({type(column[0]) for column in values}) > 1:
        # Estimators take all targets as one array, which holds text or numbers.
        values = [[str(label) for label in column] for column in values]
    outputs = tuple(_describe(name, column, task) for name, column in zip(names, values, strict=True))
    labels = np.array(values[0]) if len(values) == 1 else np.column_stack(values)
    return Targets(task, outputs, labels)


def _describe(name: str, labels: list[Any], task: Task) -> Output:
    return Output(name=name, classes=tuple(sorted(set(labels))) if task == "classification" else ())


def _parse_target(table: Table, target: str) -> tuple[Task, list[Any]]:
    cells = table.cells(table.header.index(target))
    for cell, line in zip(cells, table.lines, strict=True):
        if not cell:
            raise DatasetError(f"column '{target}', line {line}: the target is missing; fill it or remove the row")
    column = parse_column(target, cells, table.lines)
    labels: list[Any] = column.present
    if {str(label).lower() for label in labels} == {"true", "false"}:
        labels = [str(label).lower() == "true" for label in labels]
    if column.dtype != "category":
        numbers = cast(list[float | int], labels)
        if any(number != int(number) for number in numbers) or len(set(numbers)) > MAXIMUM_NUMERIC_CLASSES:
            return "regression", [float(number) for number in numbers]
        labels = [int(number) for number in numbers]
    _check_classes(target, Counter(labels), codes_remedy(cells, table.lines))
    return "classification", labels


def _check_classes(target: str, counts: Counter[Any], remedy: str) -> None:
    if len(counts) < 2:
        raise DatasetError(f"column '{target}' holds only the class {next(iter(counts))!r}; at least two are needed")
    rare = sorted((rows, label) for label, rows in counts.items() if rows < MINIMUM_ROWS_PER_CLASS)
    if rare:
        shown = ", ".join(f"{label!r} ({rows} rows)" for rows, label in rare[:_SHOWN_CLASSES])
        more = f" and {len(rare) - _SHOWN_CLASSES} more" if len(rare) > _SHOWN_CLASSES else ""
        whole = isinstance(rare[0][1], int) and not isinstance(rare[0][1], bool)
        remedy = _WHOLE_CLASSES if whole else remedy
        raise DatasetError(
            f"column '{target}': too few rows of the class {shown}{more}, at least {MINIMUM_ROWS_PER_CLASS} of each "
            f"are needed; add rows, merge the class with another or remove its rows{remedy}"
        )
