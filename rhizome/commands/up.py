"""`rhizome up`: the whole service on this machine."""

import os
import sys

import click

from rhizome.commands.environment import REDIS_VARIABLE, load_settings_or_exit
from rhizome.errors import RhizomeError
from rhizome.supervisor import Supervisor
from rhizome.telemetry import configure_logging


@click.command()
def up() -> None:
    """Run the whole service on this machine until Ctrl-C."""
    settings = load_settings_or_exit()
    configure_logging("up", settings.log_level)
    try:
        Supervisor(settings, is_redis_given=bool(os.environ.get(REDIS_VARIABLE))).run()
    except RhizomeError as error:
        click.echo(f"rhizome: {error}", err=True)
        sys.exit(1)
