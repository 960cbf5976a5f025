"""Reading preferences and parameters: `Prefer` as RFC 7240 has it, `?wait` strictly."""

import pytest
from flask import Flask, Response

from gateway.requests import acknowledge_preferences, is_async_preferred, read_count, read_json_body, read_wait_seconds
from rhizome.errors import InvalidRequest

MOST = 60.0

app = Flask(__name__)


def wait_of(*prefer: str, query: str = "") -> float:
    headers = [("Prefer", value) for value in prefer]
    with app.test_request_context(f"/?{query}", headers=headers):
        return read_wait_seconds(MOST)


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=5", 5.0),
        ("Wait=5", 5.0),
        ('wait="5"', 5.0),
        ("wait = 5", 5.0),
        ("wait=0", 0.0),
        ("wait=100000", MOST),
        ("respond-async, wait=5", 5.0),
        ("wait=5, respond-async", 5.0),
        ("return=minimal;x=1, wait=5", 5.0),
        ("wait=5; x=1", 5.0),
        ("handling=lenient,wait=5,return=minimal", 5.0),
        ("wait=5, wait=10", 5.0),
    ],
)
def test_a_preferred_wait_is_read(prefer: str, seconds: float) -> None:
    assert wait_of(prefer) == seconds


def test_several_headers_are_one_list_of_preferences() -> None:
    assert wait_of("respond-async", "wait=7") == 7.0


@pytest.mark.parametrize(
    "prefer",
    [
        "",
        "wait",
        "wait=",
        "wait=abc",
        "wait=-5",
        "wait=1.5",
        "wait=5s",
        "wait=1e3",
        "wait=99999999999999999999",
        "await=5",
        "no-wait=5",
        "wait-for=5",
        "respond-async",
        ";;;,,,===",
        'wait="5',
        'x="a, wait=5"',
        "return=minimal; wait=5",
        "\xff" * 1000,
    ],
)
def test_a_preference_that_says_nothing_of_a_wait_is_ignored(prefer: str) -> None:
    assert wait_of(prefer) == 0.0


def test_without_any_wish_nobody_waits() -> None:
    assert wait_of() == 0.0


@pytest.mark.parametrize(("query", "seconds"), [("5", 5.0), ("0.5", 0.5), ("0", 0.0), ("1e9", MOST), ("60.1", MOST)])
def test_the_parameter_is_read_and_bounded(query: str, seconds: float) -> None:
    assert wait_of(query=f"wait={query}") == seconds


@pytest.mark.parametrize(
    "query", ["", "abc", "-1", "-0.001", "nan", "NaN", "inf", "Infinity", "-inf", "1e999", "5s", "1,5", "0x10", "1_0"]
)
def test_a_parameter_that_is_no_number_of_seconds_is_refused(query: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        wait_of(query=f"wait={query}")

    assert refusal.value.code == "bad_parameter"
    assert refusal.value.problems[0]["field"] == "wait"


def test_the_parameter_goes_before_the_preference() -> None:
    assert wait_of("wait=5", query="wait=1") == 1.0


@pytest.mark.parametrize(
    ("prefer", "query", "seconds", "is_async"),
    [
        ("", "", 9.0, False),
        ("handling=strict", "", 9.0, False),
        ("wait=x", "", 9.0, False),
        ("wait=5", "", 5.0, False),
        ("wait=0", "", 0.0, False),
        ("respond-async", "", 0.0, True),
        ("Respond-Async; x=y", "", 0.0, True),
        ("respond-async, wait=5", "", 5.0, True),
        ("respond-async", "wait=5", 5.0, True),
        ("", "wait=0", 0.0, False),
    ],
)
def test_a_call_that_waits_by_itself_waits_unless_told_otherwise(
    prefer: str, query: str, seconds: float, is_async: bool
) -> None:
    with app.test_request_context(f"/?{query}", headers={"Prefer": prefer}):
        assert read_wait_seconds(MOST, unless_said=9.0) == seconds
        assert is_async_preferred() is is_async


@pytest.mark.parametrize(
    ("prefer", "query", "waited", "status", "applied"),
    [
        ("wait=5", "", 5.0, 200, "wait=5"),
        ("wait=5", "", 5.0, 202, "wait=5"),
        ("wait=500", "", MOST, 200, "wait=60"),
        ("wait=5", "", 0.0, 202, None),  # no place was free
        ("wait=5", "wait=5", 5.0, 200, None),
        ("respond-async", "", 0.0, 202, "respond-async"),
        ("respond-async", "wait=5", 5.0, 200, None),
        ("respond-async", "wait=5", 5.0, 202, "respond-async"),
        ("respond-async, wait=5", "", 5.0, 202, "respond-async, wait=5"),
        ("respond-async, wait=5", "", 5.0, 200, "wait=5"),
        ("handling=strict", "", 9.0, 200, None),
        ("", "", 9.0, 200, None),
    ],
)
def test_only_preferences_that_were_applied_are_acknowledged(
    prefer: str, query: str, waited: float, status: int, applied: str | None
) -> None:
    with app.test_request_context(f"/?{query}", headers={"Prefer": prefer}):
        response = acknowledge_preferences(Response(status=status), waited)

    assert response.headers.get("Preference-Applied") == applied
    assert ("Vary" in response.headers) == (applied is not None)


@pytest.mark.parametrize(("given", "count"), [(None, 7), ("1", 1), ("100", 100), ("007", 7)])
def test_a_count_is_read(given: str | None, count: int) -> None:
    with app.test_request_context("/" if given is None else f"/?limit={given}"):
        assert read_count("limit", 7, 1, 100) == count


@pytest.mark.parametrize("given", ["", "0", "101", "-1", "1.0", "x", "1" * 30, "%D9%A5", "1%0A", "%201"])
def test_a_bad_count_is_refused_by_name(given: str) -> None:
    with app.test_request_context(f"/?limit={given}"), pytest.raises(InvalidRequest) as refusal:
        read_count("limit", 7, 1, 100)

    assert (refusal.value.code, refusal.value.problems[0]["field"]) == ("bad_parameter", "limit")


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/ld+json"]
)
def test_a_json_body_is_read_as_it_came(content_type: str) -> None:
    with app.test_request_context("/", method="POST", data=b"\xff{", content_type=content_type):
        assert read_json_body(most=1_000) == b"\xff{"


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "text/json", "application/x-www-form-urlencoded", "image/svg+xml", "json"]
)
def test_another_content_type_is_refused(content_type: str | None) -> None:
    with (
        app.test_request_context("/", method="POST", data=b"{}", content_type=content_type),
        pytest.raises(InvalidRequest) as refusal,
    ):
        read_json_body(most=1_000)

    assert refusal.value.code == "unsupported_media_type"


def test_an_encoded_body_is_refused() -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    with (
        app.test_request_context("/", method="POST", data=b"x", headers=headers),
        pytest.raises(InvalidRequest) as refusal,
    ):
        read_json_body(most=1_000)

    assert refusal.value.code == "unsupported_media_type"
