"""Signatures of numbers, for estimators that a test fits itself."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from rhizome.signature import ClassLabel, Feature, Output, Signature


def numbers_signature(columns: int, *outputs: Sequence[ClassLabel] | NDArray[Any]) -> Signature:
    """Of as many features as `columns`, and one output per sequence of classes; without any, a regression."""
    return Signature(
        features=tuple(Feature(name=f"x{index}", dtype="float64", example=0.0) for index in range(columns)),
        task="classification" if outputs else "regression",
        outputs=tuple(Output(name=f"y{index}", classes=tuple(classes)) for index, classes in enumerate(outputs))
        or (Output(name="y"),),
        has_probabilities=bool(outputs),
    )
