"""One HTTP exchange below WSGI: the request as the server hands it over, and the one answer, from any thread."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
from redis.exceptions import RedisError

from gateway.problems import CONTENT_TYPE, HIDDEN, JSON, Problem, log_refusal, problem_document, problem_of
from gateway.tracing import HEADER, name_request
from rhizome.errors import QueueUnavailable, RhizomeError

log = logging.getLogger(__name__)

Headers = list[tuple[str, str]]
_JSON_TYPES = frozenset({JSON, f"{JSON}; charset=utf-8", f"{JSON};charset=utf-8"})


def is_json(content_type: str) -> bool:
    """Whether a content type is JSON in its usual spelling."""
    return content_type in _JSON_TYPES


class Responder(Protocol):
    """What the server gives to answer with; it may be used after the call has returned, from any thread."""

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        """Sends the whole response."""


class Exchange:
    """A request and its answer.

    Args:
        responder: takes the answer.
        scope: the request's WSGI variables, its body in `wsgi.input`.
        hand_over: gives the exchange to the routes, as it came.
    """

    __slots__ = ("_hand_over", "_is_answered", "_responder", "request_id", "scope")

    def __init__(self, responder: Responder, scope: Mapping[str, Any], hand_over: Callable[[], None]) -> None:
        self._responder = responder
        self._hand_over = hand_over
        self._is_answered = False
        self.scope = scope
        self.request_id = name_request(scope.get("HTTP_X_REQUEST_ID", ""))

    def answer(self, status: int, document: bytes, headers: Headers | None = None) -> None:
        """Sends a JSON document."""
        self._is_answered = True
        fixed = [("content-type", JSON), (HEADER, self.request_id)]
        self._responder.response_bytes(status, fixed + headers if headers else fixed, document)

    def refuse(self, error: RhizomeError) -> None:
        """Sends the problem that an error is."""
        self._tell(problem_of(error))

    def resolve(self, error: Exception) -> None:
        """Answers what a request failed by, unless it is answered already: none is left without an answer."""
        if self._is_answered:
            log.error("request_failed", exc_info=error, extra={"request_id": self.request_id})
        elif isinstance(error, RhizomeError):
            self.refuse(error)
        elif isinstance(error, RedisError):
            facts = {"reason": type(error).__name__, "request_id": self.request_id}
            log.warning("redis_unreachable", extra=facts)
            self.refuse(QueueUnavailable())
        else:
            log.error("request_failed", exc_info=error, extra={"request_id": self.request_id})
            self._tell(Problem(500, "internal_error", HIDDEN))

    def _tell(self, told: Problem) -> None:
        self._is_answered = True
        log_refusal(told, self.request_id)
        headers = [("content-type", CONTENT_TYPE), (HEADER, self.request_id), *told.headers.items()]
        document = msgspec.json.encode(problem_document(told, self.request_id))
        self._responder.response_bytes(told.status, headers, document)

    def hand_over(self) -> None:
        """Leaves the request to the routes."""
        self._is_answered = True
        self._hand_over()
