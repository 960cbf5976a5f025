"""In which form rows are given: parameters of an accepted type do not matter, its quality does."""

import pytest
from flask import Flask

from gateway.results.negotiation import choose_format
from rhizome.blob_slices import FileFormat
from rhizome.errors import NotAcceptable


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


@pytest.mark.parametrize("accept", ["text/html; charset=utf-8", "text/csv; charset=utf-8; q=0"])
def test_a_type_that_is_not_given_is_not_acceptable(accept: str) -> None:
    with Flask(__name__).test_request_context(headers={"Accept": accept}), pytest.raises(NotAcceptable):
        choose_format()
