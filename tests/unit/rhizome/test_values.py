"""The rule of a value, and that its words tell what was refused from what is accepted."""

import json
import math
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rhizome.signature import Feature
from rhizome.value_types import value_type
from rhizome.values import convert, find_problem
from rhizome.wording import expected, remedy_for, show_value, suggestion

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = FINITE | st.integers(-(10**19), 10**19) | FINITE.map(lambda value: float(int(value % 1e15)))


@given(FINITE, FINITE, NUMBERS, st.sampled_from(["float64", "int64"]))
def test_a_refused_number_and_its_bounds_never_read_alike(one: float, other: float, value: float, dtype: str) -> None:
    feature = Feature(name="x", dtype=dtype, lower=min(one, other), upper=max(one, other))
    assume("outside" in find_problem(value, feature))
    assume(dtype == "float64" or math.ceil(feature.bounds[0]) <= math.floor(feature.bounds[1]))

    lower, upper = re.fullmatch(r"an? \w+ from (\S+) to (\S+)", expected(feature, value)).groups()  # type: ignore[union-attr]

    assert show_value(value) not in (lower, upper)
    assert float(show_value(value)) not in (float(lower), float(upper)) or dtype == "int64"
    assert lower != upper or one == other or dtype == "int64"


def test_values_next_to_their_bound_are_told_apart() -> None:
    feature = Feature(name="x", dtype="float64", lower=0.0, upper=0.7951935655665968)

    assert find_problem(0.7951935655665969, feature) == "is 0.7951935655665969, outside the accepted range"
    assert expected(feature, 0.7951935655665969) == "a number from 0 to 0.795193565567"
    assert expected(feature, 0.795193565567) == "a number from 0 to 0.7951935655665968"
    assert expected(feature) == "a number from 0 to 0.795193565567"


@pytest.mark.parametrize(
    ("value", "is_named"),
    [(501, True), (-1.5, True), (10**400, True), (500, False), ("5", False), (True, False), (math.inf, False)],
)
def test_the_setting_of_the_range_is_named_where_it_would_help(value: object, *, is_named: bool) -> None:
    feature = Feature(name="x", dtype="float64", lower=0.0, upper=500.0)
    remedy = "send a number from 0 to 500"

    assert remedy_for(feature, value) == (
        f"{remedy}, or train with a larger RHIZOME_RANGE_MARGIN" if is_named else remedy
    )


def test_a_long_list_says_how_many_more_there_are() -> None:
    names = [f"n{number}" for number in range(70)]
    feature = Feature(name="x", dtype="category", categories=tuple(names), nullable=True)

    assert expected(feature).endswith("n18, n19 and 50 more, or null")
    assert suggestion("other", names).endswith("n48, n49 and 20 more")
    assert expected(feature.model_copy(update={"categories": ("a", "b")})) == "one of a, b, or null"


def test_what_a_former_release_rounded_off_its_bounds_is_accepted() -> None:
    feature = Feature(
        name="x",
        dtype="float64",
        minimum=0.6229016948897019,
        maximum=0.7951935655665968,
        lower=0.62290169489,
        upper=0.795,
    )

    assert [find_problem(value, feature) for value in (0.6229016948897019, 0.7951935655665968, 0.62290169489)] == [
        ""
    ] * 3
    assert find_problem(0.7951935655665969, feature)


@given(
    st.one_of(NUMBERS, st.booleans(), st.none(), st.text(max_size=3), st.sampled_from(["red", "True"])),
    st.sampled_from(
        [
            Feature(name="x", dtype="int64", lower=-5.5, upper=1e6),
            Feature(name="x", dtype="int64", nullable=True),
            Feature(name="x", dtype="int64", lower=-1e30, upper=1e30),
            Feature(name="x", dtype="float64", lower=0, upper=1e9, nullable=True),
            Feature(name="x", dtype="category", categories=("False", "True")),
            Feature(name="x", dtype="category", categories=("blue", "red"), nullable=True),
        ]
    ),
)
def test_the_compiled_type_accepts_what_the_rule_accepts(value: object, feature: Feature) -> None:
    adapter = TypeAdapter(value_type(feature), config={"strict": True, "allow_inf_nan": False})
    for validate, sent in ((adapter.validate_python, value), (adapter.validate_json, json.dumps(value))):
        try:
            accepted = validate(sent)  # type: ignore[operator]
        except ValidationError as error:
            outcome: object = error.error_count()
        else:
            outcome = type(accepted), accepted
        expected_value = None if find_problem(value, feature) else convert(value, feature)
        assert outcome == (1 if find_problem(value, feature) else (type(expected_value), expected_value))


@pytest.mark.parametrize("value", [2**53, float(2**53), 2**53 + 1, float(2**53 + 2), 1e300, 10**400, -(2**53)])
def test_an_integer_that_float64_may_have_rounded_is_refused(value: float) -> None:
    assert "outside the accepted range" in find_problem(value, Feature(name="x", dtype="int64"))
