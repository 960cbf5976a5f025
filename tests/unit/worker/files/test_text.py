"""What is accepted at once is what is accepted line by line; a bad row is named with its line, and spoils no other."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhizome.inference import to_array
from rhizome.signature import Feature, Signature
from tests.support.versions import iris_signature, mixed_signature
from worker.files import text
from worker.files.text import RowBlock, parse_csv, parse_ndjson

FIRST_LINE = 7
COLUMNS = ("colour", "size")
CELLS = st.sampled_from(
    ["1", " 2.5 ", "+3", ".5", "5.", "1e1", "-0", "nan", "inf", "0x1f", "1_0", "", "x", "101", '"4"', '"1\n2"', "1\r"]
) | st.sampled_from(["  ", "\u00a07", ' "4"', '"4"x', '5"'])
COLOURS = st.sampled_from(["red", "blue", '"red"', "", "green", '"r""ed"', '"blue\n"', "é"]) | st.sampled_from(
    [" ", " red", '"blue "', "\u00a0blue\t", 'r"ed', '"red"x', ' "red"']
)
PLAIN_CELLS = CELLS.filter(lambda cell: '"' not in cell)
PLAIN_COLOURS = COLOURS.filter(lambda colour: '"' not in colour)
VALUES = st.sampled_from(["1", "2.5", "1e2", "101", "null", '"1"', "true", "1e999", "NaN", "[]", ""])


def count_signature(*, nullable: bool) -> Signature:
    """A whole number and a category, either of which may be missing."""
    return Signature(
        features=(
            Feature(name="count", dtype="int64", lower=-5, upper=1000, nullable=nullable),
            Feature(name="colour", dtype="category", categories=("blue", "red"), nullable=nullable),
        ),
        task="regression",
        outputs=mixed_signature().outputs,
    )


def one_by_one_csv(data: bytes, columns: tuple[str, ...], signature: Signature) -> RowBlock:
    return text._parse_one_by_one(text._csv_rows(data, columns, FIRST_LINE, signature), signature)


def one_by_one_ndjson(data: bytes, signature: Signature) -> RowBlock:
    return text._parse_one_by_one(text._ndjson_rows(data, FIRST_LINE, signature), signature)


def assert_same(left: RowBlock, right: RowBlock) -> None:
    assert left.bad == right.bad
    assert comparable(left) == comparable(right)


def comparable(block: RowBlock) -> list[list[object]]:
    """NaN equals nothing, not even itself."""
    return [["missing" if value != value else value for value in row] for row in block.array.tolist()]  # noqa: PLR0124


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(COLOURS, CELLS), min_size=1, max_size=4), st.booleans())
def test_a_csv_chunk_reads_the_same_at_once_and_line_by_line(rows: list[tuple[str, str]], nullable: bool) -> None:
    data = "".join(f"{colour},{cell}\n" for colour, cell in rows).encode()
    for signature, columns in ((mixed_signature(), COLUMNS), (count_signature(nullable=nullable), ("colour", "count"))):
        assert_same(parse_csv(data, columns, FIRST_LINE, signature), one_by_one_csv(data, columns, signature))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4), st.booleans())
def test_an_ndjson_chunk_reads_the_same_at_once_and_line_by_line(rows: list[tuple[str, str]], nullable: bool) -> None:
    data = "".join(f'{{"colour": "red", "count": {first}, "size": {second}}}\n' for first, second in rows)
    for name, signature in (("count", mixed_signature()), ("size", count_signature(nullable=nullable))):
        only = "\n".join(
            ",".join(part for part in line.strip("{}").split(", ") if f'"{name}"' not in part).join("{}")
            for line in data.splitlines()
        ).encode()
        assert_same(parse_ndjson(only, FIRST_LINE, signature), one_by_one_ndjson(only, signature))


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=12), st.integers(1, 60))
def test_an_ndjson_chunk_reads_the_same_in_pieces(values: list[str], piece_bytes: int) -> None:
    data = "".join(f'{{"colour": "red", "size": {value}}}\n' if value else "\n" for value in values).encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "PIECE_BYTES", piece_bytes)
        in_pieces = parse_ndjson(data, FIRST_LINE, mixed_signature())

    assert_same(in_pieces, one_by_one_ndjson(data, mixed_signature()))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(PLAIN_COLOURS, PLAIN_CELLS), min_size=1, max_size=12), st.integers(1, 60), st.booleans())
def test_a_csv_chunk_reads_the_same_in_pieces(rows: list[tuple[str, str]], piece_bytes: int, nullable: bool) -> None:
    data = "".join(f"{colour},{cell}\n" for colour, cell in rows).encode()

    for signature, columns in ((mixed_signature(), COLUMNS), (count_signature(nullable=nullable), ("colour", "count"))):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(text, "PIECE_BYTES", piece_bytes)
            in_pieces = parse_csv(data, columns, FIRST_LINE, signature)
        assert_same(in_pieces, one_by_one_csv(data, columns, signature))


def test_a_quoted_newline_is_not_where_a_chunk_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "PIECE_BYTES", 8)
    data = b'red,1\n"blue\n",2\nred,3\n'

    assert_same(
        parse_csv(data, COLUMNS, FIRST_LINE, mixed_signature()), one_by_one_csv(data, COLUMNS, mixed_signature())
    )


def test_good_rows_are_the_array_that_a_request_would_make() -> None:
    rows = [(5.1, 3.5, 1.4, 0.2), (6.9, 3.1, 5.7, 2.3)]
    data = "".join(",".join(map(str, row)) + "\n" for row in rows).encode()

    block = parse_csv(data, iris_signature().names, FIRST_LINE, iris_signature())

    np.testing.assert_array_equal(block.array, to_array(rows, iris_signature()))
    assert block.array.dtype == np.float64


def test_categories_with_quotes_commas_and_newlines_are_read() -> None:
    signature = mixed_signature().model_copy(update={"features": (Feature(name="colour", dtype="category"),)})

    block = parse_csv(b'"a,b"\n"c""d"\n\n"e\nf"\n', ("colour",), FIRST_LINE, signature)

    assert block.array.tolist() == [["a,b"], ['c"d'], ["e\nf"]]
    assert block.bad == []


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        ("red,x", "size", "is 'x', not a number"),
        ("red,nan", "size", "is 'nan', not a number"),
        ("red,", "size", "is empty"),
        ("red,101", "size", "is 101, outside the accepted range"),
        ("green,1", "colour", "is 'green', not a known category"),
        ("red", "row", "has 1 values, not 2"),
        ("red,1,2", "row", "has 3 values, not 2"),
    ],
)
def test_a_bad_csv_row_is_named_with_its_line_and_the_others_are_kept(line: str, field: str, problem: str) -> None:
    data = f'red,1\n"blue",2\n\n{line}\nred,3\n'.encode()

    block = parse_csv(data, COLUMNS, FIRST_LINE, mixed_signature())

    (bad,) = block.bad
    assert (bad.position, bad.line, bad.field, bad.problem) == (2, FIRST_LINE + 3, field, problem)
    assert bad.remedy.startswith("send ")
    assert block.array.tolist() == [[1.0, "red"], [2.0, "blue"], [3.0, "red"]]


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        ('{"size": "1", "colour": "red"}', "size", "is text, not a number"),
        ('{"size": true, "colour": "red"}', "size", "is true or false, not a number"),
        ('{"size": null, "colour": "red"}', "size", "is null"),
        ('{"colour": "red"}', "size", "is missing"),
        ('{"size": 1, "colour": "red", "x": 1}', "x", "is not a feature of this version"),
        ('{"size": 1, "colour": 5}', "colour", "is a number, not text"),
        ("[1]", "row", "is an array, not an object"),
        ("{", "row", "is not JSON"),
    ],
)
def test_a_bad_ndjson_line_is_named_and_the_others_are_kept(line: str, field: str, problem: str) -> None:
    good = json.dumps({"size": 1, "colour": "red"})

    block = parse_ndjson(f"{good}\n\n{line}\n{good}".encode(), FIRST_LINE, mixed_signature())

    (bad,) = block.bad
    assert (bad.position, bad.line, bad.field, bad.problem) == (1, FIRST_LINE + 2, field, problem)
    assert len(block.array) == 2


def test_a_quote_within_a_cell_is_a_character_like_any_other() -> None:
    feature = Feature(name="model", dtype="category", categories=('3.5" drive', "bay"))
    signature = mixed_signature().model_copy(update={"features": (feature,)})

    block = parse_csv(b'3.5" drive\nbay\n"3.5"" drive"\n"3.5" drive\nbay\n', ("model",), FIRST_LINE, signature)

    assert block.array.tolist() == [['3.5" drive'], ["bay"], ['3.5" drive'], ["bay"]]
    assert [(bad.line, bad.problem) for bad in block.bad] == [(FIRST_LINE + 3, "is not CSV")]


def test_a_boolean_column_is_read_in_any_case() -> None:
    feature = Feature(name="member", dtype="category", categories=("False", "True"))
    signature = mixed_signature().model_copy(update={"features": (feature,)})

    block = parse_csv(b"true\nFALSE\nTrue\nyes\n", ("member",), FIRST_LINE, signature)

    assert block.array.tolist() == [["True"], ["False"], ["True"]]
    assert [bad.problem for bad in block.bad] == ["is 'yes', not a known category"]


def test_text_that_is_not_utf8_is_its_own_rows_error() -> None:
    block = parse_csv(b"red,1\n\xff\xfe,2\n", COLUMNS, FIRST_LINE, mixed_signature())

    assert [bad.line for bad in block.bad] == [FIRST_LINE + 1]
    assert len(block.array) == 1


def test_a_chunk_of_blank_lines_holds_no_rows() -> None:
    assert len(parse_csv(b"\n\r\n\n", COLUMNS, FIRST_LINE, mixed_signature()).array) == 0
    assert len(parse_ndjson(b"\n \n", FIRST_LINE, mixed_signature()).array) == 0


@pytest.mark.parametrize("digits", [20, 310, 400, 5000])
@pytest.mark.parametrize("dtype", ["int64", "float64"])
def test_an_integer_too_large_for_any_number_spoils_its_row_only(digits: int, dtype: str) -> None:
    features = (Feature(name="count", dtype=dtype, lower=-5, upper=1000),)
    signature = mixed_signature().model_copy(update={"features": features})
    data = f'{{"count": 1}}\n{{"count": {"9" * digits}}}\n{{"count": 3}}\n'.encode()

    block = parse_ndjson(data, FIRST_LINE, signature)

    assert [bad.line for bad in block.bad] == [FIRST_LINE + 1]
    assert block.array.tolist() == [[1.0], [3.0]]


def test_a_parser_that_fails_costs_the_array_and_not_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the parser is at a loss")

    monkeypatch.setattr(text, "_read_ndjson", fail)
    monkeypatch.setattr(text, "_read_csv", fail)

    blocks = (
        parse_csv(b"red,1\n", COLUMNS, FIRST_LINE, mixed_signature()),
        parse_ndjson(b'{"colour": "red", "size": 1}\n', FIRST_LINE, mixed_signature()),
    )

    assert [block.array.tolist() for block in blocks] == [[[1.0, "red"]]] * 2


def test_a_quoted_cell_of_any_length_is_one_row() -> None:
    cell = '"' + "x\n" * 150_000 + '"'

    block = parse_csv(f"red,1\n{cell},2\nred,3\n".encode(), COLUMNS, FIRST_LINE, mixed_signature())

    assert [(bad.position, bad.line, bad.field) for bad in block.bad] == [(1, FIRST_LINE + 1, "colour")]
    assert block.array.tolist() == [[1.0, "red"], [3.0, "red"]]
