"""What all calls of one client share: its patience, and how it reads what the service says."""

import math
import time
from typing import TypeVar
from urllib.parse import quote

import msgspec

from rhizome.client.errors import InvalidInput, Problem, UnexpectedAnswer
from rhizome.client.retries import Patience
from rhizome.client.steps import Reply

T = TypeVar("T")

DEFAULT_TIMEOUT_SECONDS = 60.0


class Session:
    """One client's settings.

    Args:
        timeout_seconds: how long a call may take in all, retries and waiting included, unless it says otherwise; and
            how long the service may be away during calls without a bound.
        admin_key: for calls that change versions.
    """

    def __init__(self, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS, admin_key: str | None = None) -> None:
        self._timeout_seconds = timeout_seconds
        self._admin_key = admin_key

    def _patience(self, timeout: float | None = None) -> Patience:
        """Until `timeout` seconds from now; without a bound, as long as the service is not away for too long."""
        seconds = self._timeout_seconds if timeout is None else timeout
        if math.isinf(seconds):
            return Patience(outage_seconds=self._timeout_seconds)
        return Patience(until=time.monotonic() + seconds)

    def _endless(self) -> Patience:
        return Patience(outage_seconds=self._timeout_seconds)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._admin_key}"} if self._admin_key else {}


def read_as(kind: type[T], reply: Reply) -> T:
    """The document of an answer.

    Raises:
        UnexpectedAnswer: it is none of Rhizome's.
    """
    try:
        return msgspec.json.decode(reply.content, type=kind)
    except msgspec.DecodeError as error:
        raise UnexpectedAnswer(
            f"the answer is not Rhizome's ({error}); is the address right?", status=reply.status
        ) from None


def check_content_type(reply: Reply, wanted: str) -> None:
    """Makes sure that the content that is open is what was asked for, as far as the answer says what it is.

    Raises:
        UnexpectedAnswer: it says that it is something else.
    """
    given = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given and given != wanted:
        raise UnexpectedAnswer(
            f"the answer is {given}, not {wanted}, so it is not Rhizome's; is the address right?", status=reply.status
        )


def path_part(name: str) -> str:
    """A name as one part of a path, which cannot lead elsewhere.

    Raises:
        InvalidInput: it holds what no address can.
    """
    try:
        return quote(name, safe="")
    except UnicodeEncodeError:
        problem = Problem(repr(name), "is no valid text", "send it as the service gave it")
        raise InvalidInput("the name cannot be sent as it is", problems=[problem]) from None
