"""What people have becomes rows: mappings, arrays, frames of three libraries, with everything that means missing."""

import datetime
import enum
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rhizome.client import InvalidInput
from rhizome.client.samples import needs_names, read_sample, read_samples

NAMES = ["size", "colour"]
ROWS = [{"size": 1.5, "colour": "red"}, {"size": None, "colour": None}]
COLUMNS = {"size": [1.5, None], "colour": ["red", None]}


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    "data",
    [
        ROWS,
        tuple(ROWS),
        COLUMNS,
        pd.DataFrame(COLUMNS),
        pd.DataFrame(COLUMNS).convert_dtypes(),
        pd.DataFrame(COLUMNS, index=[7, 3]),
        pl.DataFrame(COLUMNS),
        pa.table(COLUMNS),
    ],
    ids=["mappings", "tuple", "columns", "pandas", "pandas nullable", "pandas index", "polars", "pyarrow"],
)
def test_named_data_of_every_kind_becomes_the_same_rows(data: Any) -> None:
    samples = read_samples(data)

    assert not needs_names(data, None)
    assert len(samples) == 2
    assert list(samples) == ROWS
    assert list(samples) == ROWS, "a second time, for a repeated request"


@pytest.mark.parametrize(
    "data",
    [
        [[1.5, 2], [3, float("nan")]],
        np.array([[1.5, 2], [3, np.nan]]),
        np.array([[1.5, 2], [3, np.nan]], dtype=np.float32),
        [np.array([1.5, 2]), np.array([3, np.nan])],
    ],
    ids=["lists", "array", "float32", "list of arrays"],
)
def test_rows_by_position_get_the_names_they_are_given(data: Any) -> None:
    assert needs_names(data, None)
    assert not needs_names(data, ["a", "b"])
    assert list(read_samples(data, ["a", "b"])) == [{"a": 1.5, "b": 2}, {"a": 3, "b": None}]


@pytest.mark.parametrize(
    "data",
    [
        {"size": 1.5, "colour": "red"},
        pd.Series({"size": 1.5, "colour": "red"}),
        pd.DataFrame({"size": [1.5], "colour": ["red"]}),
        pl.DataFrame({"size": [1.5], "colour": ["red"]}),
        {"size": np.float64(1.5), "colour": Colour.RED},
        {"size": Decimal("1.5"), "colour": np.str_("red")},
    ],
    ids=["mapping", "series", "frame", "polars", "numpy", "decimal"],
)
def test_one_sample_comes_in_many_forms(data: Any) -> None:
    assert read_sample(data) == {"size": 1.5, "colour": "red"}


@pytest.mark.parametrize("data", [[1, 2], (1, 2), np.array([1, 2]), np.array([[1, 2]]), [[1, 2]]])
def test_one_sample_by_position(data: Any) -> None:
    assert read_sample(data, ["a", "b"]) == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    "missing", [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT, Decimal("nan"), Decimal("sNaN")]
)
def test_everything_that_means_missing_is_null(missing: Any) -> None:
    assert read_sample({"size": missing}) == {"size": None}


def test_dates_and_flags_are_kept() -> None:
    sample = {"on": datetime.date(2026, 1, 2), "flag": np.bool_(True), "plain": False}

    assert read_sample(sample) == {"on": "2026-01-02", "flag": True, "plain": False}


@pytest.mark.parametrize(
    ("data", "field", "problem"),
    [
        ([{"size": 1.0}, {"size": float("inf")}], "[1].size", "infinite"),
        ({"size": [1.0, np.inf]}, "[1].size", "infinite"),
        ([{"size": {1, 2}}], "[0].size", "is a set"),
        ([{"size": 1.0}, {"size": "\ud800"}], "[1].size", "half a character"),
        ({"size": [np.str_("\udc80")]}, "[0].size", "half a character"),
        ([{"size": Decimal("1e999")}], "[0].size", "infinite"),
        ([{"size": 1.0}, [2.0]], "[1]", "not a mapping"),
        ({"a": [1], "b": [1, 2]}, "b", "has 2 values"),
        ([[1, 2], [1]], "[1]", "has 1 values"),
        ([1, 2], "[0]", "is a int"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "a", "several columns"),
        (7, "the data", "is a int"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(data: Any, field: str, problem: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(read_samples(data, ["a", "b"]))

    assert caught.value.problems[0].field == field
    assert problem in caught.value.problems[0].problem
    assert caught.value.problems[0].remedy


def test_a_frame_of_many_rows_is_no_sample() -> None:
    with pytest.raises(InvalidInput, match="predict_batch"):
        read_sample(pd.DataFrame(COLUMNS))
