"""In which form rows are given: parameters of an accepted type do not matter, its quality does."""

import pytest
from flask import Flask

from gateway.results.negotiation import choose_encoding, choose_format
from rhizome.blob_slices import FileFormat
from rhizome.errors import InvalidRequest, NotAcceptable


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/json; charset=utf-8", None),
        ("text/csv;header=present", FileFormat.CSV),
        ('text/csv; charset="utf-8"; q=0.5, application/x-ndjson; q=0.4', FileFormat.CSV),
        ("text/csv; charset=utf-8; q=0.4, application/x-ndjson;q=0.5", FileFormat.NDJSON),
        ("text/html;level=1, */*;q=0.1", None),
        ("application/vnd.apache.parquet", FileFormat.PARQUET),
    ],
)
def test_parameters_of_an_accepted_type_do_not_matter(accept: str, form: FileFormat | None) -> None:
    with Flask(__name__).test_request_context(headers={"Accept": accept}):
        assert choose_format() is form


@pytest.mark.parametrize(
    "accept", ["text/html; charset=utf-8", "text/csv; charset=utf-8; q=0", "application/xml, image/*", "*/*;q=0"]
)
def test_a_type_that_is_not_given_is_not_acceptable(accept: str) -> None:
    with Flask(__name__).test_request_context(headers={"Accept": accept}), pytest.raises(NotAcceptable) as refusal:
        choose_format()

    for mimetype in ("application/json", "application/x-ndjson", "text/csv", "application/vnd.apache.parquet"):
        assert mimetype in str(refusal.value)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("*/*", None),
        ("application/*", None),
        ("text/*", FileFormat.CSV),
        ("TEXT/CSV", FileFormat.CSV),
        ("application/ndjson", FileFormat.NDJSON),
        ("application/jsonl", FileFormat.NDJSON),
        ("application/x-parquet", FileFormat.PARQUET),
        ("application/json, text/csv", None),
        ("application/json;q=0.9, text/csv", FileFormat.CSV),
        ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", None),
    ],
)
def test_the_type_that_is_liked_best_is_given(accept: str, form: FileFormat | None) -> None:
    with Flask(__name__).test_request_context(headers={"Accept": accept}):
        assert choose_format() is form


def test_who_says_nothing_gets_the_document() -> None:
    with Flask(__name__).test_request_context():
        assert choose_format() is None


@pytest.mark.parametrize("accept", ["application/json", "text/html", "text/csv"])
@pytest.mark.parametrize(("named", "form"), [("json", None), *((form.value, form) for form in FileFormat)])
def test_a_form_that_is_named_overrules_what_is_accepted(accept: str, named: str, form: FileFormat | None) -> None:
    with Flask(__name__).test_request_context(query_string={"format": named}, headers={"Accept": accept}):
        assert choose_format() is form


@pytest.mark.parametrize("named", ["", "CSV", "xlsx", "text/csv", "jsonl"])
def test_a_form_that_is_unknown_is_refused_with_the_known_ones(named: str) -> None:
    context = Flask(__name__).test_request_context(query_string={"format": named})

    with context, pytest.raises(InvalidRequest) as refusal:
        choose_format()

    (problem,) = refusal.value.problems
    assert (refusal.value.code, problem["field"]) == ("bad_parameter", "format")
    assert problem["remedy"] == "send json, ndjson, csv or parquet"


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("", ""),
        ("identity", ""),
        ("br", ""),
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=0, zstd;q=0", ""),
        ("gzip;q=0.5, identity", ""),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("gzip, identity;q=0", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, *", "gzip"),
    ],
)
def test_rows_are_compressed_where_that_is_liked_no_less_than_plain(accept: str, encoding: str) -> None:
    with Flask(__name__).test_request_context(headers={"Accept-Encoding": accept}):
        assert choose_encoding() == encoding


def test_rows_are_plain_for_who_does_not_speak_of_encodings() -> None:
    with Flask(__name__).test_request_context():
        assert choose_encoding() == ""
