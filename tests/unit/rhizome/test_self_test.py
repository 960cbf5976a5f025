"""A loaded version must give its golden answers again, or it does not serve."""

from typing import Any

import pytest

from rhizome.errors import SelfTestFailed
from rhizome.manifest import Golden, GoldenAnswers, Manifest
from rhizome.self_test import check_golden
from rhizome.signature import Signature
from tests.support.versions import (
    IRIS_ROWS,
    LINE_ROWS,
    build_manifest,
    golden_of,
    iris_estimator,
    iris_signature,
    line_estimator,
    line_signature,
)


def manifest_with(golden: Golden, signature: Signature) -> Manifest:
    return build_manifest(signature=signature, golden=golden)


def forge(golden: Golden, **changes: Any) -> Golden:
    """Other answers of the only output."""
    return golden.model_copy(update={"outputs": (golden.outputs[0].model_copy(update=changes),)})


def test_the_estimator_that_gave_the_answers_passes() -> None:
    estimator = iris_estimator()
    golden = golden_of(estimator, iris_signature(), IRIS_ROWS)

    check_golden(estimator, manifest_with(golden, iris_signature()))


def test_another_label_is_noticed() -> None:
    estimator = iris_estimator()
    golden = golden_of(estimator, iris_signature(), IRIS_ROWS)
    wrong = forge(golden, labels=("setosa", "versicolor", "setosa"))

    with pytest.raises(SelfTestFailed, match="golden row 2"):
        check_golden(estimator, manifest_with(wrong, iris_signature()))


def test_the_same_label_with_another_probability_is_noticed() -> None:
    golden = golden_of(iris_estimator(strength=1.0), iris_signature(), IRIS_ROWS)

    with pytest.raises(SelfTestFailed, match="golden row 0"):
        check_golden(iris_estimator(strength=0.5), manifest_with(golden, iris_signature()))


@pytest.mark.parametrize(("factor", "passes"), [(1 + 1e-9, True), (1 + 1e-4, False)])
def test_a_regression_is_compared_within_a_small_tolerance(factor: float, passes: bool) -> None:
    estimator = line_estimator()
    golden = golden_of(estimator, line_signature(), LINE_ROWS)
    moved = forge(golden, labels=tuple(float(value) * factor for value in golden.outputs[0].labels))
    manifest = manifest_with(moved, line_signature())

    if passes:
        check_golden(estimator, manifest)
        return
    with pytest.raises(SelfTestFailed):
        check_golden(estimator, manifest)


@pytest.mark.parametrize(
    "golden",
    [
        Golden(rows=(), outputs=(GoldenAnswers(labels=()),)),
        Golden(rows=IRIS_ROWS[:1], outputs=(GoldenAnswers(labels=("setosa",), probabilities=((1.0, 0.0),)),)),
        Golden(rows=IRIS_ROWS[:2], outputs=(GoldenAnswers(labels=("setosa",)),)),
        Golden(rows=IRIS_ROWS[:1], outputs=(GoldenAnswers(labels=("setosa",)),) * 2),
    ],
    ids=["no rows", "probabilities of another width", "fewer answers than rows", "answers of another output"],
)
def test_golden_rows_that_prove_nothing_are_refused(golden: Golden) -> None:
    with pytest.raises(SelfTestFailed):
        check_golden(iris_estimator(), manifest_with(golden, iris_signature()))


def test_an_estimator_that_raises_fails_its_self_test() -> None:
    narrow: Any = iris_signature(names=("sepal_length", "sepal_width"))
    golden = Golden(rows=(IRIS_ROWS[0][:2],), outputs=(GoldenAnswers(labels=("setosa",)),))

    with pytest.raises(SelfTestFailed, match="cannot score"):
        check_golden(iris_estimator(), manifest_with(golden, narrow))
