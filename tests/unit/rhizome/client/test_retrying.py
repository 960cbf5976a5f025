"""Lost connections and passing refusals are survived within the timeout, under one Idempotency-Key."""

import time

import pytest

from rhizome.client import (
    Conflict,
    Gone,
    InvalidInput,
    NotAllowed,
    NotFound,
    TooBusy,
    Unavailable,
    UnexpectedAnswer,
    retries,
)
from rhizome.client.retries import error_of
from rhizome.client.steps import Reply
from tests.support.scripted_server import Behaviour, ScriptedServer, hangs_up, problem, says, sends, takes
from tests.unit.rhizome.client.conftest import Call

SAMPLE = {"size": 1.5}
DONE = {"id": "a", "status": "succeeded", "result": {"label": "warm", "probabilities": {"warm": 0.9, "cold": 0.1}}}


@pytest.mark.parametrize(
    "failure",
    [
        hangs_up,
        problem(503, "queue_unavailable", retry_after=0),
        problem(429, "lane_full", retry_after=0),
        sends(b"<html>bad gateway</html>", 502),
        sends(b"", 504),
    ],
)
def test_a_submit_that_fails_for_now_is_repeated_under_the_same_key(
    server: ScriptedServer, call: Call, failure: Behaviour
) -> None:
    server.answers(failure, failure, says(DONE))

    prediction = call("predict", SAMPLE)

    assert prediction.label == "warm"
    assert len(server.seen) == 3
    assert len({seen.headers["idempotency-key"] for seen in server.seen}) == 1
    assert [seen.document for seen in server.seen] == [SAMPLE] * 3


@pytest.mark.parametrize("failure", [hangs_up, problem(503, "queue_unavailable", retry_after=0), sends(b"", 504)])
def test_a_purge_that_was_done_and_whose_answer_was_lost_is_done(
    server: ScriptedServer, call: Call, failure: Behaviour
) -> None:
    server.answers(failure, problem(410, "job_expired"))

    assert call("purge", "a") is None
    assert len(server.seen) == 2


@pytest.mark.parametrize("before", [[], [problem(429, "too_many_requests", retry_after=0)]], ids=["at once", "refused"])
def test_a_purge_of_what_was_gone_before_says_so(server: ScriptedServer, call: Call, before: list[Behaviour]) -> None:
    server.answers(*before, problem(410, "job_expired"))

    with pytest.raises(Gone):
        call("purge", "a")


def test_two_submits_have_different_keys_and_a_given_key_is_kept(server: ScriptedServer, call: Call) -> None:
    server.answers(says(DONE))

    for key in (None, None, "mine"):
        call("submit", SAMPLE, idempotency_key=key)

    keys = [seen.headers["idempotency-key"] for seen in server.seen]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


def test_the_service_decides_when_to_come_back(server: ScriptedServer, call: Call) -> None:
    server.answers(problem(429, "lane_full", retry_after=1), says(DONE))
    begun = time.monotonic()

    call("predict", SAMPLE)

    assert time.monotonic() - begun >= 1


def test_a_service_that_stays_busy_is_an_error_within_the_timeout(server: ScriptedServer, call: Call) -> None:
    server.answers(problem(429, "lane_full", retry_after=30))
    begun = time.monotonic()

    with pytest.raises(TooBusy) as caught:
        call("predict", SAMPLE, timeout_seconds=2.0)

    assert time.monotonic() - begun < 2
    assert caught.value.retry_after_seconds == 30
    assert caught.value.code == "lane_full"


def test_a_deadline_that_cannot_be_met_is_said_at_once(server: ScriptedServer, call: Call) -> None:
    server.answers(problem(429, "deadline_unmeetable", retry_after=0))

    with pytest.raises(TooBusy):
        call("predict", SAMPLE, deadline_ms=5)

    assert len(server.seen) == 1


def test_nobody_there_is_unavailable_after_the_timeout(server: ScriptedServer, call: Call) -> None:
    server.close()

    with pytest.raises(Unavailable, match="does not answer"):
        call("predict", SAMPLE, timeout_seconds=0.3)


def test_a_rollback_whose_answer_is_lost_is_not_repeated(server: ScriptedServer, call: Call) -> None:
    server.answers(hangs_up)

    with pytest.raises(Unavailable):
        call("rollback")

    assert len(server.seen) == 1


def test_a_promotion_may_be_repeated_and_carries_the_admin_key(server: ScriptedServer, call: Call) -> None:
    server.answers(hangs_up, says({"version": "v2", "previous": "v1", "promoted_at": "now"}))

    assert call("promote", "v2").previous == "v1"

    assert server.seen[1].path == "/models/v2/promote"
    assert server.seen[1].headers["authorization"] == "Bearer key"


def test_health_is_asked_once_and_told_also_where_the_service_cannot_answer(server: ScriptedServer, call: Call) -> None:
    server.answers(says({"status": "unavailable", "problems": ["Redis does not answer"]}, 503))

    health = call("health")

    assert (health.status, health.problems) == ("unavailable", ("Redis does not answer",))
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "malformed_json", InvalidInput),
        (401, "admin_key_required", NotAllowed),
        (403, "admin_switched_off", NotAllowed),
        (404, "job_not_found", NotFound),
        (406, "not_acceptable", InvalidInput),
        (409, "idempotency_conflict", Conflict),
        (410, "job_expired", Gone),
        (413, "body_too_large", InvalidInput),
        (422, "invalid_fields", InvalidInput),
        (500, "internal_error", UnexpectedAnswer),
    ],
)
def test_other_refusals_are_final_and_typed(
    server: ScriptedServer, call: Call, status: int, code: str, kind: type[Exception]
) -> None:
    server.answers(problem(status, code, request_id="r1"))

    with pytest.raises(kind) as caught:
        call("result", "a")

    assert len(server.seen) == 1
    assert caught.value.code == code  # type: ignore[attr-defined]
    assert caught.value.status == status  # type: ignore[attr-defined]
    assert caught.value.request_id == "r1"  # type: ignore[attr-defined]


def test_every_problem_of_the_input_is_named(server: ScriptedServer, call: Call) -> None:
    errors = [{"field": "size", "problem": "is text, not a number", "remedy": "send a number"}]
    server.answers(problem(422, "invalid_fields", errors=errors))

    with pytest.raises(InvalidInput) as caught:
        call("predict", {"size": "x"})

    assert caught.value.problems[0].field == "size"
    assert "size is text, not a number: send a number" in str(caught.value)


def test_an_answer_of_something_else_is_said_to_be_one(server: ScriptedServer, call: Call) -> None:
    server.answers(sends(b"<html>welcome</html>"))

    with pytest.raises(UnexpectedAnswer, match="is the address right"):
        call("result", "a")


def test_an_answer_that_points_elsewhere_is_no_answer(server: ScriptedServer, call: Call) -> None:
    server.answers(sends(b"", 307, Location="https://elsewhere.example/"))

    with pytest.raises(UnexpectedAnswer, match=r"status 307 and points to https://elsewhere\.example/"):
        call("predict", SAMPLE)


@pytest.mark.parametrize("name", ["predict", "submit", "models", "health", "wait"])
def test_the_callers_time_bounds_a_service_that_is_silent(
    server: ScriptedServer, call: Call, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "GRACE_SECONDS", 0.1)
    server.answers(takes(8.0, says(DONE)))
    arguments = {"predict": [SAMPLE], "submit": [SAMPLE], "wait": ["a"]}.get(name, [])
    begun = time.monotonic()

    with pytest.raises(Unavailable):
        call(name, *arguments, timeout_seconds=0.2)

    assert time.monotonic() - begun < 4


def test_a_slow_answer_is_no_lost_one(server: ScriptedServer, call: Call) -> None:
    server.answers(takes(0.5, says(DONE)))

    assert call("predict", SAMPLE, timeout_seconds=0.1).label == "warm"


@pytest.mark.parametrize("given", ["Fri, 31 Dec 1999 23:59:59 GMT", "soon", "", "-3", "٣"])
def test_odd_retry_after_headers_do_no_harm(given: str) -> None:
    error = error_of(Reply(429, {"retry-after": given}))

    assert isinstance(error, TooBusy)
    assert not error.retry_after_seconds
