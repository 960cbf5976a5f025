"""A file is refused by its first line where that cannot be right; what is wrong is named."""

import gzip
import time
from typing import Any

import pytest

from gateway.uploads.heads import MAX_HEAD_BYTES, read_csv_head, read_ndjson_head
from rhizome.errors import InvalidRequest
from tests.support.versions import mixed_signature


@pytest.mark.parametrize(
    "beginning",
    [b"colour,size\n1,2", b'"size","colour"\r\n', b'\xef\xbb\xbfsize,colour\n"red'],
)
def test_the_columns_may_come_in_any_order_and_be_quoted(beginning: bytes) -> None:
    head = read_csv_head(mixed_signature(), beginning, False)

    assert head is not None
    assert sorted(head.columns) == ["colour", "size"]
    assert head.data_start == beginning.index(b"\n") + 1


def test_half_a_head_asks_for_more() -> None:
    assert read_csv_head(mixed_signature(), b"size,col", False) is None
    assert read_ndjson_head(mixed_signature(), b'{"size"', False) is None


@pytest.mark.parametrize(
    ("beginning", "code", "named"),
    [
        (b"size\n", "invalid_fields", [("colour", "is missing")]),
        (b"size,colour,weight\n", "invalid_fields", [("weight", "is not a feature of this version")]),
        (b"size,size,colour\n", "invalid_fields", [("size", "is there more than once")]),
        (b"size;colour\n", "invalid_file", []),
        (b"\n1,red\n", "invalid_file", []),
        (b"size,colour\r1,red\r", "invalid_file", []),
        ("size,colour\n".encode("utf-16"), "invalid_file", []),
        (b"s" * MAX_HEAD_BYTES, "invalid_file", []),
    ],
)
def test_a_bad_csv_head_is_refused(beginning: bytes, code: str, named: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_csv_head(mixed_signature(), beginning, beginning.endswith(b"\r"))

    assert refusal.value.code == code
    assert [(problem["field"], problem["problem"]) for problem in refusal.value.problems] == named


@pytest.mark.parametrize(
    ("beginning", "code"),
    [
        (b'{"size": 1}\n', "invalid_fields"),
        (b'{"size": 1, "colour": "red", "weight": 2}\n', "invalid_fields"),
        (b"[1, 2]\n", "invalid_file"),
        (b"size,colour\n", "invalid_file"),
    ],
)
def test_a_bad_first_line_of_ndjson_is_refused(beginning: bytes, code: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_ndjson_head(mixed_signature(), beginning, False)

    assert refusal.value.code == code


@pytest.mark.parametrize(
    "beginning",
    [b'"' + b"\n" * (MAX_HEAD_BYTES - 2), ",".join(map(str, range(100_000))).encode() + b"\n"],
    ids=["lines in quotes", "columns"],
)
def test_a_head_takes_time_in_proportion_to_its_length(beginning: bytes) -> None:
    began = time.process_time()

    with pytest.raises(InvalidRequest):
        read_csv_head(mixed_signature(), beginning, True)

    assert time.process_time() - began < 5


def test_a_bad_value_is_no_matter_of_the_head() -> None:
    assert read_ndjson_head(mixed_signature(), b'{"size": "x", "colour": "red"}\n', False) is not None


@pytest.mark.parametrize("beginning", [b"sep=,\r\nsize, colour \r\n", b'\xef\xbb\xbf"sep=,"\nsize,colour\n'])
def test_what_excel_writes_before_the_names_is_skipped(beginning: bytes) -> None:
    head = read_csv_head(mixed_signature(), beginning + b"1,red", False)

    assert head is not None
    assert (head.columns, head.data_start) == (("size", "colour"), len(beginning))


@pytest.mark.parametrize("beginning", [b"sep=;\nsize;colour\n", b"size;colour\n", b"size;colour;a, b\n"])
def test_another_separator_is_named(beginning: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"are separated by .*; separate them by commas"):
        read_csv_head(mixed_signature(), beginning, True)


@pytest.mark.parametrize("read_head", [read_csv_head, read_ndjson_head])
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (gzip.compress(b"size,colour\n1,red\n"), "gzip; .* with Content-Encoding: gzip"),
        (bytes.fromhex("28b52ffd2012910000"), "zstd; .* with Content-Encoding: zstd"),
        (b"PK\x03\x04\x14\x00", "a workbook of Excel; .* save the sheet as CSV"),
        (b"PAR1\x15\x04\x15\x10", "Parquet; .* Content-Type: application/vnd.apache.parquet"),
    ],
)
def test_what_is_no_text_is_named_with_the_way_to_send_it(read_head: Any, data: bytes, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as refusal:
        read_head(mixed_signature(), data, False)

    assert refusal.value.code == "invalid_file"


def test_a_column_may_be_called_pk() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_csv_head(mixed_signature(), b"PK,size,colour\n", False)

    assert [problem["field"] for problem in refusal.value.problems] == ["PK"]


def test_all_columns_that_do_not_belong_are_named_at_once_with_the_likely_ones() -> None:
    with pytest.raises(InvalidRequest) as refusal:
        read_csv_head(mixed_signature(), b"id,SIZE,COLOUR\n", True)

    assert "'id', 'SIZE', 'COLOUR' are not of this version; " in str(refusal.value)
    remedies = {problem["field"]: str(problem["remedy"]) for problem in refusal.value.problems}
    assert remedies["SIZE"].startswith("did you mean 'size'?")
    assert remedies["COLOUR"].startswith("did you mean 'colour'?")
