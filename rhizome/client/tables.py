"""Answers as a pandas DataFrame. pandas is imported only when somebody asks for one."""

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rhizome.client.jobs import Answer


def to_pandas(answers: Iterable["Answer"]) -> Any:
    """One row per answer.

    Raises:
        ImportError: pandas is not installed.
    """
    return import_module("pandas").DataFrame([flatten(answer) for answer in answers])


def flatten(answer: "Answer", prefix: str = "") -> dict[str, Any]:
    """One answer as columns: `label`, `probability_<class>`, `value`, `error`; of several targets with their names."""
    columns: dict[str, Any] = {}
    if answer.label is not None:
        columns[f"{prefix}label"] = answer.label
    for name, probability in (answer.probabilities or {}).items():
        columns[f"{prefix}probability_{name}"] = probability
    if answer.value is not None:
        columns[f"{prefix}value"] = answer.value
    for target, output in (answer.outputs or {}).items():
        columns |= flatten(output, f"{prefix}{target}_")
    if answer.error is not None:
        columns[f"{prefix}error"] = answer.error.detail or answer.error.problem or answer.error.code
    return columns
