"""The digest tells signatures apart that accept or answer differently, and no others."""

from typing import Any

import pytest
from pydantic import ValidationError

from rhizome.signature import DIGEST_LENGTH, ClassLabel, Feature, Output, Signature

SIZE = Feature(name="size", dtype="float64")
COLOUR = Feature(name="colour", dtype="category", categories=("blue", "red"))
KIND = Output(name="kind", classes=("cold", "warm"))


def with_classes(*classes: ClassLabel) -> Output:
    return KIND.model_copy(update={"classes": classes})


def build_signature(**changes: Any) -> Signature:
    facts: dict[str, Any] = {
        "features": (SIZE, COLOUR),
        "task": "classification",
        "outputs": (KIND,),
    }
    return Signature(**(facts | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"features": (COLOUR, SIZE)},
        {"features": (SIZE,)},
        {"features": (SIZE.model_copy(update={"name": "height"}), COLOUR)},
        {"features": (SIZE.model_copy(update={"dtype": "int64"}), COLOUR)},
        {"features": (SIZE.model_copy(update={"nullable": True}), COLOUR)},
        {"features": (SIZE, COLOUR.model_copy(update={"categories": ("blue", "green")}))},
        {"task": "regression"},
        {"outputs": (KIND.model_copy(update={"name": "sort"}),)},
        {"outputs": (with_classes("warm", "cold"),)},
        {"outputs": (with_classes("cold"),)},
        {"outputs": (with_classes(1, 2),)},
        {"outputs": (KIND, Output(name="sort"))},
        {"has_probabilities": True},
    ],
    ids=str,
)
def test_what_is_accepted_or_answered_changes_the_digest(changes: dict[str, Any]) -> None:
    assert build_signature(**changes).digest != build_signature().digest


@pytest.mark.parametrize(
    "changes", [{"lower": -1.0}, {"upper": 9.0}, {"minimum": 0.0}, {"maximum": 8.0}, {"example": 3.0}], ids=str
)
def test_ranges_and_examples_do_not_change_the_digest(changes: dict[str, Any]) -> None:
    features = (SIZE.model_copy(update=changes), COLOUR)

    assert build_signature(features=features).digest == build_signature().digest


def test_classes_of_another_type_are_other_classes() -> None:
    numbers, words = build_signature(outputs=(with_classes(0, 1),)), build_signature(outputs=(with_classes("0", "1"),))

    assert numbers.digest != words.digest


def test_the_digest_survives_a_round_through_json() -> None:
    signature = build_signature(outputs=(with_classes(True, False), KIND))

    again = Signature.model_validate_json(signature.model_dump_json())

    assert again == signature
    assert again.digest == signature.digest
    assert len(again.digest) == DIGEST_LENGTH


def test_one_category_makes_a_signature_non_numeric() -> None:
    assert build_signature(features=(SIZE,)).is_numeric
    assert not build_signature().is_numeric
    assert build_signature().names == ("size", "colour")


def test_a_signature_without_outputs_is_refused() -> None:
    with pytest.raises(ValidationError):
        build_signature(outputs=())
