"""What follows from an attempt."""

import email.utils
import time
from typing import Any

import pytest

from rhizome.webhooks.outbox import Verdict
from worker.webhooks.retries import (
    FIRST_BACKOFF_SECONDS,
    LEAST_DELAY_SECONDS,
    MAX_BACKOFF_SECONDS,
    backoff_seconds,
    judge,
    read_retry_after,
)
from worker.webhooks.sender import Answer

DAY = 86_400.0


def judged(answer: Answer, **changes: Any) -> Verdict:
    facts: dict[str, Any] = {"attempt": 1, "age_seconds": 0.0, "max_age_seconds": DAY, "pick": lambda low, high: high}
    return judge(answer, **(facts | changes))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_is_a_delivery(status: int) -> None:
    assert judged(Answer(status)) == Verdict("delivered", status)


@pytest.mark.parametrize(
    ("status", "error"),
    [(301, "redirected"), (307, "redirected"), (400, "refused"), (401, "refused"), (404, "refused"), (410, "gone")],
)
def test_what_another_attempt_would_not_change_is_final(status: int, error: str) -> None:
    assert judged(Answer(status)) == Verdict("failed", status, error)


@pytest.mark.parametrize("error", ["forbidden_address", "forbidden_target"])
def test_a_forbidden_receiver_is_not_tried_again(error: str) -> None:
    assert judged(Answer(error=error)) == Verdict("failed", None, error)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert judged(Answer(status)) == Verdict("retry", status, "unavailable", FIRST_BACKOFF_SECONDS)


@pytest.mark.parametrize("error", ["timeout", "connect_failed", "tls_failed", "unknown_host", "bad_response"])
def test_an_error_on_the_way_is_tried_again(error: str) -> None:
    assert judged(Answer(error=error)) == Verdict("retry", None, error, FIRST_BACKOFF_SECONDS)


def test_pauses_double_up_to_a_bound() -> None:
    pauses = [backoff_seconds(attempt, lambda low, high: high) for attempt in (1, 2, 3, 10, 30, 1000)]

    assert pauses[:3] == [FIRST_BACKOFF_SECONDS * factor for factor in (1, 2, 4)]
    assert pauses[3:] == [5 * 2**9, MAX_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS]


def test_pauses_are_spread_over_all_that_time() -> None:
    pauses = [backoff_seconds(4) for _ in range(500)]

    assert min(pauses) < 10
    assert 30 < max(pauses) <= 40
    assert backoff_seconds(1, lambda low, high: low) == LEAST_DELAY_SECONDS


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("", 0), ("120", 120), ("0", 0), ("-5", 0), ("soon", 0), ("1.5", 0), ("999999999", MAX_BACKOFF_SECONDS)],
)
def test_retry_after_is_read_as_seconds(value: str, seconds: float) -> None:
    assert read_retry_after(value) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    assert 50 < read_retry_after(email.utils.formatdate(time.time() + 60, usegmt=True)) <= 60
    assert read_retry_after(email.utils.formatdate(time.time() - 60, usegmt=True)) == 0


def test_retry_after_is_honoured_where_it_is_later() -> None:
    assert judged(Answer(429, retry_after="600")).delay_seconds == 600
    assert judged(Answer(503, retry_after="1")).delay_seconds == FIRST_BACKOFF_SECONDS


def test_an_event_is_given_up_when_its_time_is_over() -> None:
    assert judged(Answer(500), age_seconds=DAY - 6).outcome == "retry"
    assert judged(Answer(500), age_seconds=DAY - 4) == Verdict("failed", 500, "unavailable")


def test_a_day_holds_a_bounded_number_of_attempts() -> None:
    age, attempts = 0.0, 0
    while (verdict := judged(Answer(500), attempt=attempts + 1, age_seconds=age)).outcome == "retry":
        age, attempts = age + verdict.delay_seconds, attempts + 1

    assert 10 < attempts < 25
