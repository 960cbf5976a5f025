"""The server: Granian, whose calls go to our dispatcher instead of straight to the Flask application.

Granian's WSGI worker hands a request over as a responder and its WSGI variables, and a wrapper of Granian's calls the
application with them. Here that wrapper runs where the dispatcher wants it to; the responder may answer after the call
has returned. `tests/contracts/test_server.py` holds what is relied on.
"""

import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from flask import Flask
from granian import _signals
from granian._signals import set_sync_signals
from granian.constants import Interfaces
from granian.server import mp
from granian.server.mp import MPServer
from granian.wsgi import _callback_wrapper as wrap_application

from gateway.app import create_app_from_environment
from gateway.dispatching import SERVER_THREADS, Dispatcher
from gateway.service import EXTENSION, Service
from rhizome.settings import Settings
from rhizome.telemetry import log_config

BACKPRESSURE_MARGIN = 32  #: requests beyond those that wait or are served, held back by Granian itself
STOP_SECONDS = 10  #: how long requests under way may take to end
#: How a process ends that was ended from outside: somebody or the kernel killed it, or told it to stop.
ENDED_FROM_OUTSIDE = (0, -signal.SIGKILL, -signal.SIGTERM)
#: A process that was killed before it was so old is not started again at once: whatever kills may well do so again.
YOUNG_SECONDS = 1.0


class Server(MPServer):
    """Granian's server, which also revives processes that are killed one soon after the other.

    By itself it takes a process that ends within 5.5 s of its start for one that cannot run, and ends: the right thing
    where the process ended by itself, since whoever started the server then waits longer and longer.
    """

    def _respawn_workers(self, workers: Sequence[int], *args: Any, **kwargs: Any) -> None:
        killed = [self.wrks[index] for index in workers if self.wrks[index].inner.exitcode in ENDED_FROM_OUTSIDE]
        if any(time.monotonic() - process.birth < YOUNG_SECONDS for process in killed):
            time.sleep(YOUNG_SECONDS)
        super()._respawn_workers(workers, *args, **kwargs)
        for process in killed:
            self.respawned_wrks.pop(process.idx, None)
        if self.interrupt_children:
            self.main_loop_interrupt.set()  # one that ended meanwhile: the loop has just cleared its news


def build_server(settings: Settings) -> Server:
    """A server of this application, in as many processes as the settings say."""
    return Server(
        f"{__name__}:{create_dispatched_app.__name__}",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        factory=True,
        workers=settings.gateway_processes,
        blocking_threads=SERVER_THREADS,
        backpressure=settings.max_waiters + settings.gateway_threads + BACKPRESSURE_MARGIN,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        websockets=False,
        log_dictconfig=log_config("gateway", settings.log_level),
    )


def create_dispatched_app() -> Flask:
    """The application of one of the server's processes, called there before Granian looks up what is replaced here."""
    app = create_app_from_environment()
    mp._wsgi_call_wrap = wrap_dispatched  # type: ignore[attr-defined,assignment]
    _signals.set_sync_signals = partial(_set_signals, _service_of(app).notices.end_waits)
    return app


def wrap_dispatched(app: Flask, scope_opts: dict[str, Any], access_log: str | None = None) -> Callable[..., None]:
    """In the place of Granian's wrapper: what the server calls for each request."""
    return Dispatcher(_service_of(app), wrap_application(app, scope_opts, access_log))


def _service_of(app: Flask) -> Service:
    return cast(Service, app.extensions[EXTENSION])


def _set_signals(before_stop: Callable[[], None]) -> Any:
    """Granian's handlers, and what is to be done before: a request that waits would outlast `STOP_SECONDS`."""
    stop = set_sync_signals()  # type: ignore[no-untyped-call]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, partial(_handle, before_stop, signal.getsignal(number)))
    return stop


def _handle(before_stop: Callable[[], None], handler: Any, number: int, frame: Any) -> None:
    before_stop()
    handler(number, frame)
