"""Rows in, answers out, for each kind of signature."""

import math

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from rhizome.inference import predict, to_array
from rhizome.signature import Feature, Output, Signature
from tests.support.versions import (
    IRIS_CLASSES,
    IRIS_ROWS,
    LINE_ROWS,
    MIXED_ROWS,
    iris_data,
    iris_estimator,
    iris_signature,
    line_estimator,
    line_signature,
    mixed_estimator,
    mixed_signature,
)


def test_numbers_become_a_float64_array_of_one_row_each() -> None:
    array = to_array([[1, 2, 3, 4]], iris_signature())

    assert array.shape == (1, 4)
    assert array.dtype == np.float64


def test_no_rows_become_an_empty_array_of_the_right_width() -> None:
    assert to_array([], iris_signature()).shape == (0, 4)


def test_numbers_and_categories_become_objects_that_keep_their_types() -> None:
    array = to_array(MIXED_ROWS, mixed_signature())

    assert array.shape == (4, 2)
    assert array[0].tolist() == [1.0, "blue"]


def test_a_missing_number_reaches_the_estimator_as_nan() -> None:
    signature = Signature(
        features=(Feature(name="x", dtype="float64", nullable=True),), task="regression", outputs=(Output(name="y"),)
    )

    assert math.isnan(to_array([[None]], signature)[0, 0])


def test_beside_categories_a_missing_number_is_nan_and_a_missing_category_none() -> None:
    features = tuple(feature.model_copy(update={"nullable": True}) for feature in mixed_signature().features)
    signature = mixed_signature().model_copy(update={"features": features})

    array = to_array([[None, None], [1.0, "red"]], signature)

    assert array[0, 1] is None
    assert isinstance(array[0, 0], float)
    assert math.isnan(array[0, 0])


def test_a_classifier_answers_labels_and_probabilities_in_the_order_of_its_classes() -> None:
    estimator = iris_estimator()

    (answers,) = predict(estimator, to_array(IRIS_ROWS, iris_signature()), iris_signature())

    assert answers.labels == ["setosa", "versicolor", "virginica"]
    assert answers.probabilities is not None
    assert [IRIS_CLASSES[int(np.argmax(row))] for row in answers.probabilities] == answers.labels
    np.testing.assert_allclose(np.sum(answers.probabilities, axis=1), 1.0)


def test_mixed_columns_are_scored() -> None:
    (answers,) = predict(mixed_estimator(), to_array(MIXED_ROWS, mixed_signature()), mixed_signature())

    assert answers.labels == ["cold", "cold", "warm", "warm"]


def test_a_regression_answers_values_and_no_probabilities() -> None:
    (answers,) = predict(line_estimator(), to_array(LINE_ROWS, line_signature()), line_signature())

    assert answers.labels == pytest.approx([1.0, 3.0, 5.0])
    assert answers.probabilities is None


def test_a_classifier_without_probabilities_answers_labels_alone() -> None:
    estimator = RidgeClassifier().fit(*iris_data())

    (answers,) = predict(estimator, to_array(IRIS_ROWS, iris_signature()), iris_signature())

    assert answers.probabilities is None
    assert answers.labels[0] == "setosa"


def test_answers_are_plain_python_objects() -> None:
    (answers,) = predict(iris_estimator(), to_array(IRIS_ROWS, iris_signature()), iris_signature())

    assert type(answers.labels[0]) is str
    assert answers.probabilities is not None
    assert type(answers.probabilities[0][0]) is float
