"""Sending until there is an answer: backoff with jitter, `Retry-After`, and one error for each kind of problem."""

import math
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import msgspec

from rhizome.client.errors import (
    ClientError,
    Conflict,
    Gone,
    InvalidInput,
    NotAllowed,
    NotFound,
    Problem,
    TooBusy,
    Unavailable,
    UnexpectedAnswer,
)
from rhizome.client.steps import Flow, Lost, Open, Reply, Request, Send, Sleep

FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 5.0
#: What a request that is under way when the caller's time ends may still take.
GRACE_SECONDS = 1.0
#: The service will not say anything else to the same request a moment later.
_FINAL_CODES = {"deadline_unmeetable"}
_PASSING_STATUSES = {429, 502, 503, 504}
#: What was asked for is being made.
_PASSING_CODES = {"export_not_ready"}

_KIND_OF_STATUS: dict[int, type[ClientError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    405: NotFound,
    409: Conflict,
    410: Gone,
}


@dataclass(frozen=True, slots=True)
class Patience:
    """When to give up.

    Attributes:
        until: monotonic seconds; nothing is begun after it.
        outage_seconds: how long the service may fail to answer, from its first failure on.
        away_since: monotonic seconds; from here on an outage is counted that began before this request.
    """

    until: float = math.inf
    outage_seconds: float = math.inf
    away_since: float = math.inf

    @property
    def seconds_left(self) -> float:
        """Until the end; not below 0."""
        return max(0.0, self.until - time.monotonic())

    def is_exhausted(self, failing_since: float, pause: float) -> bool:
        """Whether another try after the pause would be too late."""
        outage_until = min(failing_since, self.away_since) + self.outage_seconds
        return time.monotonic() + pause > min(self.until, outage_until)

    def since(self, moment: float) -> "Patience":
        """The same with somebody who has got nowhere since `moment`, whatever was answered."""
        return replace(self, away_since=moment)


class Pauses:
    """Pauses that grow from try to try, each drawn at random so that clients do not come back together."""

    def __init__(self) -> None:
        self._tries = 0

    def next_seconds(self, at_least: float = 0.0) -> float:
        """The next pause; the first half of it is certain, the second is chance."""
        most = min(MAX_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**self._tries)
        self._tries = min(self._tries + 1, 16)
        return at_least + random.uniform(most / 2, most)

    def begin_again(self) -> None:
        """After a success."""
        self._tries = 0


def send(request: Request, patience: Patience) -> Flow[Reply]:
    """Sends until the service answers something that it would answer again.

    Raises:
        ClientError: the answer is a problem, or there was none in time.
    """
    return (yield from _exchange(Send(request), patience))


def open_answer(request: Request, patience: Patience) -> Flow[Reply]:
    """Like `send`, for an answer whose content is to be read in blocks."""
    return (yield from _exchange(Open(request), patience))


def _exchange(step: Send | Open, patience: Patience) -> Flow[Reply]:
    pauses, failing_since, may_be_done = Pauses(), math.inf, False
    while True:
        outcome = cast(Reply | Lost, (yield replace(step, request=within(step.request, patience))))
        if isinstance(outcome, Reply) and (
            outcome.status < 300 or (may_be_done and outcome.status == step.request.done_status)
        ):
            return outcome
        may_be_done = may_be_done or _may_be_done(outcome)
        error = unavailable(outcome) if isinstance(outcome, Lost) else error_of(outcome)
        failing_since = min(failing_since, time.monotonic())
        pause = pauses.next_seconds(_retry_after_seconds(outcome) or 0.0)
        if not _may_pass(outcome, error, step.request) or patience.is_exhausted(failing_since, pause):
            raise error
        yield Sleep(pause)


def within(request: Request, patience: Patience) -> Request:
    """The request, with what is left of the caller's time."""
    return replace(request, limit_seconds=patience.seconds_left + GRACE_SECONDS)


def _may_be_done(outcome: Reply | Lost) -> bool:
    """Whether the service may have done what it gave no answer of its own to; a proxy answers 502 or 504 then."""
    return outcome.may_have_arrived if isinstance(outcome, Lost) else outcome.status in (502, 503, 504)


def _may_pass(outcome: Reply | Lost, error: ClientError, request: Request) -> bool:
    if isinstance(outcome, Lost):
        return request.is_repeatable or not outcome.may_have_arrived
    refused_before_anything = outcome.status == 429
    return (
        (outcome.status in _PASSING_STATUSES or error.code in _PASSING_CODES)
        and error.code not in _FINAL_CODES
        and (request.is_repeatable or refused_before_anything)
    )


def unavailable(lost: Lost) -> Unavailable:
    """The error of a connection that did not give an answer."""
    return Unavailable(f"the service does not answer: {lost.reason}", code="no_answer")


class _ProblemDocument(msgspec.Struct):
    code: str = ""
    detail: str = ""
    request_id: str = ""
    errors: list[Problem] = []


def error_of(reply: Reply) -> ClientError:
    """What an answer with a status from 300 on says (RFC 9457 problem documents)."""
    if reply.status < 400:
        towards = f" and points to {reply.headers['location']}" if "location" in reply.headers else ""
        return UnexpectedAnswer(
            f"the service answered with status {reply.status}{towards}; is the address right?", status=reply.status
        )
    problem = _ProblemDocument()
    with suppress(msgspec.DecodeError):  # a proxy's page, perhaps
        problem = msgspec.json.decode(reply.content, type=_ProblemDocument)
    detail = problem.detail or f"the service answered with status {reply.status}"
    facts: dict[str, Any] = {
        "code": problem.code,
        "status": reply.status,
        "request_id": problem.request_id or reply.headers.get("x-request-id", ""),
    }
    build: Callable[..., ClientError]
    if reply.status == 429:
        return TooBusy(detail, retry_after_seconds=_retry_after_seconds(reply), **facts)
    if reply.status in _KIND_OF_STATUS:
        build = _KIND_OF_STATUS[reply.status]
    elif reply.status < 500:
        return InvalidInput(detail, problems=problem.errors, **facts)
    else:
        build = Unavailable if reply.status in _PASSING_STATUSES else UnexpectedAnswer
    return build(detail, **facts)


def _retry_after_seconds(outcome: Reply | Lost) -> float | None:
    """`Retry-After` as seconds or as a date (RFC 9110, section 10.2.3)."""
    given = outcome.headers.get("retry-after", "") if isinstance(outcome, Reply) else ""
    if given.isascii() and given.isdigit():
        return float(given)
    with suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(given)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    return None
