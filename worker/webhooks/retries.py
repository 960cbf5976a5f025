"""What follows from an attempt: done, done for good, or once more later."""

import email.utils
import random
import re
import time
from collections.abc import Callable

from rhizome.webhooks.outbox import Verdict
from worker.webhooks.connections import ForbiddenAddress
from worker.webhooks.sender import FORBIDDEN_TARGET, Answer

FIRST_BACKOFF_SECONDS = 5.0
MAX_BACKOFF_SECONDS = 4 * 3600.0
LEAST_DELAY_SECONDS = 0.5
_DOUBLINGS = 20  #: beyond `MAX_BACKOFF_SECONDS` already

#: Statuses that another attempt may change: a slow or busy receiver, besides all of 5xx.
_PASSING = frozenset({408, 425, 429})
#: Errors of ours that no other attempt changes; trying again would only be another chance for an attacker.
_FINAL_ERRORS = frozenset({ForbiddenAddress.code, FORBIDDEN_TARGET})


def judge(
    answer: Answer,
    *,
    attempt: int,
    age_seconds: float,
    max_age_seconds: float,
    pick: Callable[[float, float], float] = random.uniform,
) -> Verdict:
    """The verdict on an attempt.

    Args:
        answer: what it came to.
        attempt: its number, from 1 on.
        age_seconds: of the event.
        max_age_seconds: at which it is given up.
        pick: a number between two.
    """
    status = answer.status
    if status is not None and 200 <= status < 300:
        return Verdict("delivered", status)
    error = answer.error or _name_of(status or 0)
    if answer.error in _FINAL_ERRORS or (status is not None and not _is_passing(status)):
        return Verdict("failed", status, error)
    delay = max(backoff_seconds(attempt, pick), read_retry_after(answer.retry_after))
    if age_seconds + delay > max_age_seconds:
        return Verdict("failed", status, error)
    return Verdict("retry", status, error, delay)


def backoff_seconds(attempt: int, pick: Callable[[float, float], float] = random.uniform) -> float:
    """Before the next attempt: exponential with full jitter, so that what failed together does not come back together.

    See https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    most = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(attempt - 1, _DOUBLINGS))
    return max(LEAST_DELAY_SECONDS, pick(0.0, most))


def read_retry_after(value: str) -> float:
    """Seconds of a Retry-After header (RFC 9110, section 10.2.3), `MAX_BACKOFF_SECONDS` at most; 0 if there is none."""
    if re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return min(float(value), MAX_BACKOFF_SECONDS)
    try:
        moment = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(0.0, moment - time.time()), MAX_BACKOFF_SECONDS)


def _is_passing(status: int) -> bool:
    return status in _PASSING or status >= 500


def _name_of(status: int) -> str:
    if 300 <= status < 400:
        return "redirected"
    if status == 410:
        return "gone"
    return "unavailable" if _is_passing(status) else "refused"
