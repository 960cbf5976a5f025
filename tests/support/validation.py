"""What tests of validation are made of: signatures of a few features, and what a refusal says."""

from typing import Any

import pytest

from gateway.validation import Validator
from rhizome.errors import InvalidRequest
from rhizome.signature import Feature, Output, Signature

BOUNDS = {"max_rows": 5, "chunk_rows": 2}


def signature_of(*features: Feature) -> Signature:
    return Signature(features=features, task="classification", outputs=(Output(name="kind", classes=("cold", "warm")),))


def number(name: str, **facts: Any) -> Feature:
    return Feature(**({"name": name, "dtype": "float64"} | facts))


def refusal_of(validator: Validator, body: bytes) -> InvalidRequest:
    """Why a sample is refused: each problem is worded, and has its remedy."""
    with pytest.raises(InvalidRequest) as refusal:
        validator.parse_single(body)
    for problem in refusal.value.problems:
        assert problem["problem"]
        assert problem["remedy"]
    return refusal.value


def fields_of(refusal: InvalidRequest) -> list[object]:
    return [problem["field"] for problem in refusal.problems]
