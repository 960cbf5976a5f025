"""The dataset: what is understood, and that each fault is named by column, line and remedy."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rhizome.errors import DatasetError
from rhizome.values import find_problem
from rhizome.wording import expected
from trainer.dataset import Dataset, load_dataset

WriteCsv = Callable[[str], Path]


FRACTIONS = "".join(f"{math.sqrt(i + 2)!r},{math.pi * i!r},{'ab'[i % 2]}\n" for i in range(60))


def rows(count: int, line: str = "{i}.5,{i},{label}") -> str:
    return "".join(line.format(i=i, label="ab"[i % 2]) + "\n" for i in range(count))


def test_iris_is_understood(iris: Dataset) -> None:
    assert iris.feature_names == ("sepal_length", "sepal_width", "petal_length", "petal_width")
    assert iris.dtypes == ("float64",) * 4
    assert iris.rows.shape == (150, 4)
    assert iris.rows.dtype == np.float64
    assert iris.signature.outputs[0].classes == ("setosa", "versicolor", "virginica")
    assert iris.sha256 == "9cc1c345c71bcc9b486b74cbf6063fa66f4bb5e0f603a4b3c3471ec2e5e8e355"


def test_ranges_are_widened_by_the_margin(iris: Dataset) -> None:
    sepal_length = iris.signature.features[0]
    assert (sepal_length.minimum, sepal_length.maximum) == (4.3, 7.9)
    assert (sepal_length.lower, sepal_length.upper) == (pytest.approx(-6.5), pytest.approx(18.7))
    assert expected(sepal_length) == "a number from -6.5 to 18.7"
    assert sepal_length.example == 5.8


@pytest.mark.parametrize("margin", [0.0, 0.1, 3.0])
@pytest.mark.parametrize(
    "text",
    [
        "x,y,label\n" + FRACTIONS,
        "x,y,label\n" + rows(60, "{i}.25,173300000000000{i},{label}"),
        "x,y,label\n" + rows(60, "{i}.25,173300000000000000{i},{label}"),
        "x,y,label\n" + rows(60, "-{i}e300,{i}e306,{label}") + "1e308,-1e308,a\n",
    ],
    ids=["many digits", "close integers", "beyond exact integers", "huge"],
)
def test_every_row_is_within_the_bounds(write_csv: WriteCsv, text: str, margin: float) -> None:
    dataset = load_dataset(write_csv(text), "label", margin)

    for index, feature in enumerate(dataset.signature.features):
        lower, upper = feature.bounds
        assert math.isfinite(lower)
        assert math.isfinite(upper)
        assert [value for value in dataset.rows[:, index].tolist() if find_problem(value, feature)] == []
        assert margin or (lower, upper) == (dataset.rows[:, index].min(), dataset.rows[:, index].max())


def test_whole_numbers_that_no_float_holds_exactly_are_numbers(write_csv: WriteCsv) -> None:
    dataset = load_dataset(write_csv("x,y,label\n" + rows(60, "{i},173300000000000000{i},{label}")), "label", 3.0)

    assert dataset.dtypes == ("int64", "float64")


def test_true_and_false_are_boolean_labels(write_csv: WriteCsv) -> None:
    lines = "".join(f"{i}.5,{('True', 'false')[i % 2]}\n" for i in range(60))

    dataset = load_dataset(write_csv("x,ok\n" + lines), "ok", 3.0)

    assert dataset.signature.outputs[0].classes == (False, True)
    assert dataset.signature.outputs[0].class_names == ("false", "true")
    assert dataset.labels.dtype == np.bool_


def test_blanks_around_cells_mean_nothing(write_csv: WriteCsv) -> None:
    dataset = load_dataset(
        write_csv("size, colour, kind\n" + rows(40, "{i}.5, blue,\t{label}\n1.5,red ,a")), "kind", 3.0
    )

    assert dataset.signature.names == ("size", "colour")
    assert dataset.signature.features[1].categories == ("blue", "red")
    assert dataset.signature.outputs[0].classes == ("a", "b")


@pytest.mark.parametrize("beginning", ["sep=,\r\n", "\ufeffsep=,\n", '"sep=,"\n', "\ufeff"])
def test_what_excel_writes_first_is_skipped(write_csv: WriteCsv, beginning: str) -> None:
    dataset = load_dataset(write_csv(beginning + "x,label\n" + rows(40, "{i},{label}")), "label", 3.0)

    assert dataset.feature_names == ("x",)


def test_an_inch_sign_is_part_of_its_cell(write_csv: WriteCsv) -> None:
    text = "model,b,label\n" + rows(40, '3.5" drive,{i},{label}') + "bay,1,a\n"

    assert load_dataset(write_csv(text), "label", 3.0).signature.features[0].categories == ('3.5" drive', "bay")


def test_types_missing_values_and_categories_are_inferred(mixed_csv: Path) -> None:
    dataset = load_dataset(mixed_csv, "churned", 3.0)

    age, visits, region = dataset.signature.features
    assert (age.dtype, age.nullable) == ("float64", True)
    assert (visits.dtype, visits.nullable) == ("int64", False)
    assert isinstance(visits.example, int)
    assert (region.dtype, region.nullable, region.categories) == ("category", True, ("north", "south", "west"))
    assert dataset.rows.dtype == object
    assert math.isnan(dataset.rows[0, 0])


def test_a_missing_number_is_nan_where_all_features_are_numbers(write_csv: WriteCsv) -> None:
    dataset = load_dataset(write_csv("x,y,label\n,7,a\n" + rows(40)), "label", 3.0)
    assert np.isnan(dataset.rows[0, 0])
    assert dataset.signature.features[0].nullable


def test_whole_numbers_as_target_are_classes(write_csv: WriteCsv) -> None:
    dataset = load_dataset(write_csv("x,y\n" + "".join(f"{i}.5,{i % 3}\n" for i in range(60))), "y", 3.0)
    assert dataset.signature.task == "classification"
    assert dataset.signature.outputs[0].classes == (0, 1, 2)
    assert dataset.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (("7", "007"), "category"),
        (("12345", "05678"), "category"),
        (("12345", "+05678"), "category"),
        (("12345", "-05"), "category"),
        (("0", "00"), "category"),
        (("007", "A07"), "category"),
        (("0", "1"), "int64"),
        (("+0", "-1"), "int64"),
        (("0.5", "-0.5"), "float64"),
        (("00.5", "0e1"), "float64"),
    ],
)
def test_leading_zeros_make_a_column_of_texts(write_csv: WriteCsv, cells: tuple[str, str], dtype: str) -> None:
    lines = "".join(f"{cells[0] if i else cells[1]},{'ab'[i % 2]}\n" for i in range(60))

    (feature,) = load_dataset(write_csv("x,label\n" + lines), "label", 3.0).signature.features

    assert feature.dtype == dtype
    assert dtype != "category" or feature.categories == tuple(sorted(cells))


def test_leading_zeros_tell_classes_apart(write_csv: WriteCsv) -> None:
    lines = "".join(f"{i}.5,{('01067', '1067')[i % 2]}\n" for i in range(60))

    dataset = load_dataset(write_csv("x,plant\n" + lines), "plant", 3.0)

    assert dataset.signature.outputs[0].classes == ("01067", "1067")
    assert set(dataset.labels.tolist()) == {"01067", "1067"}


@pytest.mark.parametrize("target", ["{i}", "0.{i}5"], ids=["many whole numbers", "fractions"])
def test_a_quantity_as_target_makes_a_regression(write_csv: WriteCsv, target: str) -> None:
    text = "x,y\n" + "".join(f"{i}.5,{target.format(i=i)}\n" for i in range(60))
    dataset = load_dataset(write_csv(text), "y", 3.0)
    assert dataset.signature.task == "regression"
    assert dataset.labels.dtype == np.float64
    assert dataset.signature.outputs[0].classes == ()


def test_the_hash_is_of_the_bytes_of_the_file(write_csv: WriteCsv) -> None:
    path = write_csv("x,y,label\n" + rows(40))
    assert load_dataset(path, "label", 3.0).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["is empty"]),
        ("x,x,label\n" + rows(40), ["line 1", "'x' appears twice", "rename"]),
        ("x,,label\n" + rows(40), ["line 1", "column 2 has no name"]),
        ("x;y;label\n" + rows(40), ["separated by semicolons", "by commas"]),
        ("size, x;y;label\n" + rows(40, "{i},5;{i};{label}"), ["separated by semicolons"]),
        ("x\ty\tlabel\n" + rows(40, "{i}\t{i}\t{label}"), ["separated by tabs"]),
        ("sep=;\nx,y,label\n" + rows(40), ["separated by semicolons"]),
        ("x,y,label\n" + rows(40, '"{i},5",{i},{label}'), ["column 'x'", "line 2", "'0,5'", "comma", "point"]),
        ("x,y,label\n" + rows(40, '"1.{i}00,5",{i},{label}\n7,8,a'), ["column 'x'", "'1.000,5'", "comma"]),
        ("x,y,label\n" + rows(20, "{i}.5,{i},{label}\n-,1,a"), ["column 'x'", "line 3", "'-'", "leave the cell empty"]),
        (
            "x,y,label\n" + rows(28, "2024-03-{i}T00:15:00+02:00,{i},{label}\n,1,a"),
            ["column 'x'", "is a date", "remove"],
        ),
        ("x,y,label\n" + rows(28, "{i}.3.2024,{i},{label}\n1.4.2024,1,a"), ["column 'x'", "is a date"]),
        ("Unnamed: 0,y,label\n" + rows(40, "{i},{i}.5,{label}"), ["'Unnamed: 0'", "index=False"]),
        ("x,y,stars\n", ["no column 'label'"]),
        ("x,y,other\n" + rows(40), ["no column 'label'", "RHIZOME_TARGET", "other"]),
        ("x,y,label\n" + rows(5) + "1,2\n" + rows(40), ["line 7", "2 cells", "3 columns"]),
        ("x,y,label\n" + rows(40) + "NaN,1,a\n", ["column 'x'", "line 42", "leave the cell empty"]),
        ("x,y,label\n" + rows(40) + "1.5,-inf,a\n", ["column 'y'", "line 42", "not a finite number"]),
        ("x,y,label\n" + rows(40) + "1e999,1,a\n", ["column 'x'", "line 42", "too large"]),
        ("x,y,label\n" + rows(40) + "twelve,1,a\n", ["column 'x'", "line 42", "'twelve'"]),
        ("x,y,label\n" + rows(40) + "1.5,1,\n", ["column 'label'", "line 42", "target is missing"]),
        ("x,y,label\n" + rows(40, "{i},7,{label}"), ["column 'y'", "constant", "remove it"]),
        ("x,y,label\n" + rows(40, "{i},,{label}"), ["column 'y'", "empty in every row"]),
        ("x,y,label\n" + rows(40, "{i}.5,{i},a"), ["column 'label'", "only the class 'a'"]),
        ("x,y,label\n" + rows(40) + "1.5,1,rare\n" * 9, ["'rare'", "9 rows", "10", "merge"]),
        ("x,y,label\n" + rows(29), ["29 rows", "30"]),
        ("label\n" + rows(40, "{label}"), ["only the target column"]),
        ('x,y,label\n1,"2,a\n' + rows(40), ["not valid CSV"]),
        ("x,y,label\n" + rows(1001, "w{i},{i},{label}"), ["column 'x'", "1001 different texts"]),
        ("x,y,label\n" + rows(1001, "{i}.5,{i},{label}") + "00,1,a\n", ["1002 different texts", "'00' in line 1003"]),
        ("x,y,label\n" + rows(40, "{i}.5,{i},0{i}"), ["'00' (1 rows)", "without leading zeros", "'00' in line 2"]),
        ("x,y,label\n" + rows(40, "0{i},{i},{label}") + "NA,1,a\n", ["column 'x'", "line 42", "leave the cell empty"]),
    ],
)
def test_a_fault_is_named_with_its_place_and_remedy(write_csv: WriteCsv, text: str, expected: list[str]) -> None:
    path = write_csv(text)
    with pytest.raises(DatasetError) as caught:
        load_dataset(path, "label", 3.0)
    assert [part for part in expected if part not in str(caught.value)] == []


def test_a_missing_file_is_named_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="RHIZOME_DATASET"):
        load_dataset(tmp_path / "absent.csv", "label", 3.0)


def test_a_folder_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read"):
        load_dataset(tmp_path, "label", 3.0)


def test_text_that_is_not_utf_8_is_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(b"x,label\n1,a\n2,\xe9\n")
    with pytest.raises(DatasetError, match="line 3: not UTF-8"):
        load_dataset(path, "label", 3.0)
