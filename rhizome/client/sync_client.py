"""The synchronous client: does what calls ask for, on httpx."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from rhizome.client.calls import Calls, present
from rhizome.client.session import DEFAULT_TIMEOUT_SECONDS
from rhizome.client.steps import Emit, Feed, Flow, Lost, Open, Read, Reply, Send, Step
from rhizome.client.transport import HEADERS, build_request, find_url, is_open, lost, reply_of

P = ParamSpec("P")
T = TypeVar("T")


def _returning(call: Callable[Concatenate[Calls, P], Flow[T]]) -> Callable[Concatenate["Client", P], T]:
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(call(self._calls, *args, **kwargs))

    return present(call, method)


def _iterating(call: Callable[Concatenate[Calls, P], Feed[T]]) -> Callable[Concatenate["Client", P], Iterator[T]]:
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self._iterate(call(self._calls, *args, **kwargs))

    return present(call, method, Iterator)


class Client:
    """A client of one service; may be shared between threads, and is best used as a context manager.

    Args:
        base_url: of the service; else the environment's `RHIZOME_URL`, else http://127.0.0.1:8000.
        admin_key: for `retrain`, `promote` and `rollback`.
        timeout: seconds that a call may take in all, retries and waiting included, unless it says otherwise.
        headers: sent with every request.
        transport: of httpx; for special needs such as a Unix socket.

    >>> with Client(base_url) as client:
    ...     client.health().status
    'ok'
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        admin_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        headers: dict[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._calls = Calls(timeout, admin_key)
        self._http = httpx.Client(
            base_url=find_url(base_url), headers={**HEADERS, **(headers or {})}, transport=transport
        )

    def close(self) -> None:
        """Gives up the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        outcome: Any = None
        with _Doer(self._http) as doer, closing(flow):
            while True:
                try:
                    step = flow.send(outcome)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                outcome = doer.do(step)

    def _iterate(self, feed: Feed[T]) -> Iterator[T]:
        outcome: Any = None
        with _Doer(self._http) as doer, closing(feed):
            while True:
                try:
                    step = feed.send(outcome)
                except StopIteration:
                    return
                outcome = None
                if isinstance(step, Emit):
                    yield step.value
                else:
                    outcome = doer.do(step)

    predict = _returning(Calls.predict)
    submit = _returning(Calls.submit)
    result = _returning(Calls.result)
    wait = _returning(Calls.wait)
    cancel = _returning(Calls.cancel)
    purge = _returning(Calls.purge)
    redeliver = _returning(Calls.redeliver)
    stream = _iterating(Calls.stream)
    predict_batch = _returning(Calls.predict_batch)
    submit_batch = _returning(Calls.submit_batch)
    wait_batch = _returning(Calls.wait_batch)
    rows = _iterating(Calls.rows)
    download = _returning(Calls.download)
    health = _returning(Calls.health)
    models = _returning(Calls.models)
    retrain = _returning(Calls.retrain)
    promote = _returning(Calls.promote)
    rollback = _returning(Calls.rollback)


class _Doer:
    """Does the steps of one call; holds what the call has open."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._opened: httpx.Response | None = None
        self._blocks: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def do(self, step: Step) -> Reply | Lost | bytes | None:
        try:
            if isinstance(step, Send | Open):
                return self._send(step)
            if isinstance(step, Read):
                return next(self._blocks, b"")
        except httpx.TransportError as error:
            return lost(error)
        time.sleep(step.seconds)
        return None

    def _send(self, step: Send | Open) -> Reply:
        self._close()
        body = step.request.body
        request = build_request(self._http, step.request, body.blocks() if body else None)
        response = self._opened = self._http.send(request, stream=True)
        if isinstance(step, Open) and is_open(response):
            self._blocks = response.iter_bytes()
            return reply_of(response, b"")
        return reply_of(response, response.read())

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
