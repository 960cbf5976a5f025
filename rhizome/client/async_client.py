"""The asynchronous client: does what calls ask for, on httpx and anyio, so on asyncio as well as on trio."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import closing
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import anyio
import anyio.to_thread
import httpx

from rhizome.client.calls import Calls, present
from rhizome.client.session import DEFAULT_TIMEOUT_SECONDS
from rhizome.client.steps import Emit, Feed, Flow, Lost, Open, Read, Reply, Send, Step
from rhizome.client.transport import HEADERS, build_request, find_url, is_open, lost, reply_of

P = ParamSpec("P")
T = TypeVar("T")


def _returning(
    call: Callable[Concatenate[Calls, P], Flow[T]],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(call(self._calls, *args, **kwargs))

    return present(call, method, Awaitable)


def _iterating(
    call: Callable[Concatenate[Calls, P], Feed[T]],
) -> Callable[Concatenate["AsyncClient", P], AsyncIterator[T]]:
    def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self._iterate(call(self._calls, *args, **kwargs))

    return present(call, method, AsyncIterator)


class AsyncClient:
    """Like `Client`, with methods to await and iterators for `async for`.

    Args:
        base_url: of the service; else the environment's `RHIZOME_URL`, else http://127.0.0.1:8000.
        admin_key: for `retrain`, `promote` and `rollback`.
        timeout: seconds that a call may take in all, retries and waiting included, unless it says otherwise.
        headers: sent with every request.
        transport: of httpx; for special needs such as an application in the same process.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        admin_key: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        headers: dict[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._calls = Calls(timeout, admin_key)
        self._http = httpx.AsyncClient(
            base_url=find_url(base_url), headers={**HEADERS, **(headers or {})}, transport=transport
        )

    async def aclose(self) -> None:
        """Gives up the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, flow: Flow[T]) -> T:
        outcome: Any = None
        async with _Doer(self._http) as doer:
            with closing(flow):
                while True:
                    try:
                        step = flow.send(outcome)
                    except StopIteration as end:
                        return end.value  # type: ignore[no-any-return]
                    outcome = await doer.do(step)

    async def _iterate(self, feed: Feed[T]) -> AsyncIterator[T]:
        outcome: Any = None
        async with _Doer(self._http) as doer:
            with closing(feed):
                while True:
                    try:
                        step = feed.send(outcome)
                    except StopIteration:
                        return
                    outcome = None
                    if isinstance(step, Emit):
                        yield step.value
                    else:
                        outcome = await doer.do(step)

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

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._opened: httpx.Response | None = None
        self._blocks: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def do(self, step: Step) -> Reply | Lost | bytes | None:
        try:
            if isinstance(step, Send | Open):
                return await self._send(step)
            if isinstance(step, Read):
                return await anext(self._blocks, b"") if self._blocks is not None else b""
        except httpx.TransportError as error:
            return lost(error)
        await anyio.sleep(step.seconds)
        return None

    async def _send(self, step: Send | Open) -> Reply:
        await self._close()
        body = step.request.body
        content = _in_threads(body.blocks()) if body else None
        request = build_request(self._http, step.request, content)
        response = self._opened = await self._http.send(request, stream=True)
        if isinstance(step, Open) and is_open(response):
            self._blocks = response.aiter_bytes()
            return reply_of(response, b"")
        return reply_of(response, await response.aread())

    async def _close(self) -> None:
        if self._opened is not None:
            opened, self._opened = self._opened, None
            await opened.aclose()


async def _in_threads(blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Reads files and encodes rows without holding up everything else."""
    while block := await anyio.to_thread.run_sync(next, blocks, b""):
        yield block
