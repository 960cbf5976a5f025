"""The gateway's process entry: `python -m gateway` serves it with Granian."""

import sys

from granian import Granian
from granian.constants import Interfaces

from rhizome.errors import SettingsError
from rhizome.settings import load_settings
from rhizome.telemetry import log_config

BACKPRESSURE_MARGIN = 32  #: requests beyond the threads that Granian holds back itself
STOP_SECONDS = 10  #: how long requests under way may take to end


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"rhizome: {error}")
    Granian(
        "gateway.app:create_app_from_environment",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        factory=True,
        workers=settings.gateway_processes,
        blocking_threads=settings.gateway_threads,
        backpressure=settings.gateway_threads + BACKPRESSURE_MARGIN,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        websockets=False,
        log_dictconfig=log_config("gateway", settings.log_level),
    ).serve()


if __name__ == "__main__":
    main()
