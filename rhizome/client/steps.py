"""The steps a call is made of: what is to be done, and what came of it. Calls decide, clients do.

A call is a generator that yields steps and is sent their outcomes, so that the synchronous and the asynchronous client
share everything but the input and output itself.
"""

import math
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Body(Protocol):
    """A request's body, which can be sent more than once."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Content-Type, and what else describes the body."""

    def blocks(self) -> Iterator[bytes]:
        """The content, from its beginning."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Attributes:
        path: relative to the service.
        params: the query string.
        patience_seconds: how long the service may stay silent before the connection is taken for lost.
        limit_seconds: what is left of the caller's time; neither connecting nor writing nor silence may take longer.
        is_repeatable: doing it twice is doing it once; others are repeated only if they cannot have arrived.
        done_status: what a repetition is answered where the try before it was done and its answer lost; 0 for nothing
            of its own.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    patience_seconds: float = 10.0
    limit_seconds: float = math.inf
    is_repeatable: bool = True
    done_status: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer, or not all of it.

    Attributes:
        reason: for people.
        may_have_arrived: False where the request cannot have reached the service.
    """

    reason: str
    may_have_arrived: bool = True


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request and read the answer. Outcome: Reply or Lost."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request and leave the answer's content to be read in blocks, where its status is 200 or 206; another
    answer is read at once. Outcome: Reply or Lost."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Read the next block of what is open. Outcome: bytes, empty at the end, or Lost."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let time pass. Outcome: None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    """Hand something to the caller of an iterating call. Outcome: None."""

    value: T


Step = Send | Open | Read | Sleep
Flow = Generator[Step, Any, T]  #: a call that returns
Feed = Generator[Step | Emit[T], Any, None]  #: a call that is iterated over
