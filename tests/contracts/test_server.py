"""What `gateway.server` relies on in Granian, beside its public interface."""

import inspect
import signal
from typing import Any

import pytest
from granian import wsgi
from granian._signals import set_sync_signals
from granian.server.mp import MPServer

from gateway import server


@pytest.fixture
def handlers_kept() -> Any:
    """The process's own handlers, back at the end."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_the_worker_calls_what_is_put_in_the_wrappers_place() -> None:
    assert "_wsgi_call_wrap" in inspect.unwrap(MPServer._spawn_wsgi_worker).__code__.co_names
    assert len(inspect.signature(wsgi._callback_wrapper).parameters) == 3  # ours is called with the same


def test_the_worker_looks_them_up_when_the_application_is_there() -> None:
    worker = inspect.unwrap(MPServer._spawn_wsgi_worker)

    assert "callback" in inspect.signature(worker).parameters  # what the factory gave
    assert "from granian._signals import set_sync_signals" in inspect.getsource(worker)


@pytest.mark.usefixtures("handlers_kept")
def test_its_handlers_are_pythons() -> None:
    set_sync_signals()  # type: ignore[no-untyped-call]

    for number in (signal.SIGINT, signal.SIGTERM):
        assert callable(signal.getsignal(number))


@pytest.mark.usefixtures("handlers_kept")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_waits_end_before_the_server_is_told_to_stop(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    def set_handlers() -> None:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, lambda *_: told.append("the server stops"))

    monkeypatch.setattr(server, "set_sync_signals", set_handlers)
    server._set_signals(lambda: told.append("waits end"))

    signal.raise_signal(number)

    assert told == ["waits end", "the server stops"]
