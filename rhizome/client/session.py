"""What all calls of one client share: its patience, and how it reads what the service says."""

import math
import time
from typing import TypeVar

import msgspec

from rhizome.client.errors import UnexpectedAnswer
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
