"""The client against a real server that misbehaves, once synchronously and once asynchronously."""

from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest

from rhizome.client import AsyncClient, Client, retries
from tests.support.scripted_server import ScriptedServer, scripted_server

TIMEOUT_SECONDS = 5.0

Call = Callable[..., Any]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.01)


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest, server: ScriptedServer) -> Call:
    """Calls a method of a client of the server by its name; iterators come as lists."""

    def call_sync(name: str, *args: Any, timeout_seconds: float = TIMEOUT_SECONDS, **kwargs: Any) -> Any:
        with Client(server.url, timeout=timeout_seconds, admin_key="key") as client:
            outcome = getattr(client, name)(*args, **kwargs)
            return list(outcome) if name in ("rows", "stream") else outcome

    async def call_async(name: str, args: Any, timeout_seconds: float, kwargs: Any) -> Any:
        async with AsyncClient(server.url, timeout=timeout_seconds, admin_key="key") as client:
            outcome = getattr(client, name)(*args, **kwargs)
            return [item async for item in outcome] if name in ("rows", "stream") else await outcome

    def run_async(name: str, *args: Any, timeout_seconds: float = TIMEOUT_SECONDS, **kwargs: Any) -> Any:
        return anyio.run(call_async, name, args, timeout_seconds, kwargs)

    return call_sync if request.param == "sync" else run_async
