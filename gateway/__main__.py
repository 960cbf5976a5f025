"""The gateway's process entry: `python -m gateway` serves it with Granian."""

import sys

from gateway.server import build_server
from rhizome.errors import SettingsError
from rhizome.ownership import refuse_foreign_database
from rhizome.settings import load_settings
from rhizome.stray_output import log_stray_output
from rhizome.telemetry import configure_logging

EXIT_USAGE = 2


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    if len(sys.argv) > 1:
        sys.stderr.write(f"rhizome: the gateway takes no arguments, but was given '{' '.join(sys.argv[1:])}'\n")
        sys.exit(EXIT_USAGE)
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(f"rhizome: {error}")
    configure_logging("gateway", settings.log_level)
    log_stray_output("gateway")
    refuse_foreign_database(settings)
    build_server(settings).serve()


if __name__ == "__main__":
    main()
