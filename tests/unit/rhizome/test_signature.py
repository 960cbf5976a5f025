"""The digest tells signatures apart that accept or answer differently, and no others."""

from typing import Any

import pytest

from rhizome.signature import DIGEST_LENGTH, Feature, Signature

SIZE = Feature(name="size", dtype="float64")
COLOUR = Feature(name="colour", dtype="category", categories=("blue", "red"))


def build_signature(**changes: Any) -> Signature:
    facts: dict[str, Any] = {
        "features": (SIZE, COLOUR),
        "target": "kind",
        "task": "classification",
        "classes": ("cold", "warm"),
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
        {"target": "sort"},
        {"task": "regression"},
        {"classes": ("warm", "cold")},
        {"classes": ("cold",)},
        {"classes": (1, 2)},
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
    numbers, words = build_signature(classes=(0, 1)), build_signature(classes=("0", "1"))

    assert numbers.digest != words.digest


def test_the_digest_survives_a_round_through_json() -> None:
    signature = build_signature(classes=(True, False))

    again = Signature.model_validate_json(signature.model_dump_json())

    assert again == signature
    assert again.digest == signature.digest
    assert len(again.digest) == DIGEST_LENGTH


def test_one_category_makes_a_signature_non_numeric() -> None:
    assert build_signature(features=(SIZE,)).is_numeric
    assert not build_signature().is_numeric
    assert build_signature().names == ("size", "colour")
