"""The self-test of a loaded version: it must give its golden answers again.

Shared by the trainer, before a version is promoted, and the worker, before it serves: another library version or
another processor may load an artefact without error and still answer differently.
"""

import math
from typing import Any

from rhizome.errors import SelfTestFailed
from rhizome.inference import Answers, predict, to_array
from rhizome.manifest import GoldenAnswers, Manifest

RELATIVE_TOLERANCE = 1e-6  #: what another BLAS or processor may change in a sum
ABSOLUTE_TOLERANCE = 1e-9


def check_golden(estimator: Any, manifest: Manifest) -> None:
    """Compares the estimator's answers to the golden rows with the recorded ones.

    Raises:
        SelfTestFailed: a label differs, or a value or probability by more than the tolerances, or it raised.
    """
    golden, signature = manifest.golden, manifest.signature
    if not golden.rows:
        raise SelfTestFailed(f"version {manifest.version} has no golden rows to be tested with")
    try:
        answers = predict(estimator, to_array(golden.rows, signature), signature)
    except Exception as error:  # a foreign estimator may raise anything
        raise SelfTestFailed(
            f"version {manifest.version} cannot score its golden rows ({type(error).__name__})"
        ) from error
    if [len(each.labels) for each in golden.outputs] != [len(golden.rows)] * len(answers):
        raise SelfTestFailed(f"version {manifest.version} does not have one golden answer per row and output")
    for output, found, expected in zip(signature.outputs, answers, golden.outputs, strict=True):
        row = _find_difference(found, expected, is_regression=signature.task == "regression")
        if row is not None:
            raise SelfTestFailed(
                f"version {manifest.version} answers golden row {row} otherwise than after training ('{output.name}')"
            )


def _find_difference(found: Answers, expected: GoldenAnswers, *, is_regression: bool) -> int | None:
    for row in range(len(expected.labels)):
        if not _is_same(found, expected, row, is_regression=is_regression):
            return row
    return None


def _is_same(found: Answers, expected: GoldenAnswers, row: int, *, is_regression: bool) -> bool:
    label = found.labels[row]
    if is_regression:
        return _is_close(float(label), float(expected.labels[row]))
    if label != expected.labels[row]:
        return False
    if not expected.probabilities:
        return True
    if found.probabilities is None or len(found.probabilities[row]) != len(expected.probabilities[row]):
        return False
    return all(map(_is_close, found.probabilities[row], expected.probabilities[row]))


def _is_close(found: float, expected: float) -> bool:
    return math.isclose(found, expected, rel_tol=RELATIVE_TOLERANCE, abs_tol=ABSOLUTE_TOLERANCE)
