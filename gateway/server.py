"""The server: Granian, whose calls go to our dispatcher instead of straight to the Flask application.

Granian's WSGI worker hands a request over as a responder and its WSGI variables, and a wrapper of Granian's calls the
application with them. Here that wrapper runs where the dispatcher wants it to; the responder may answer after the call
has returned. `tests/contracts/test_server.py` holds what is relied on.
"""

from collections.abc import Callable
from typing import Any, cast

from flask import Flask
from granian.constants import Interfaces
from granian.server import mp
from granian.server.mp import MPServer
from granian.wsgi import _callback_wrapper as wrap_application

from gateway.dispatching import SERVER_THREADS, Dispatcher
from gateway.service import EXTENSION, Service
from rhizome.settings import Settings
from rhizome.telemetry import log_config

BACKPRESSURE_MARGIN = 32  #: requests beyond those that wait or are served, held back by Granian itself
STOP_SECONDS = 10  #: how long requests under way may take to end


def build_server(settings: Settings) -> MPServer:
    """A server of `gateway.app:create_app_from_environment`, in as many processes as the settings say."""
    mp._wsgi_call_wrap = wrap_dispatched  # type: ignore[attr-defined,assignment]  # children are forks, and find it there
    return MPServer(
        "gateway.app:create_app_from_environment",
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


def wrap_dispatched(app: Flask, scope_opts: dict[str, Any], access_log: str | None = None) -> Callable[..., None]:
    """In the place of Granian's wrapper: what the server calls for each request."""
    serve = wrap_application(app, scope_opts, access_log)
    return Dispatcher(cast(Service, app.extensions[EXTENSION]), serve)
