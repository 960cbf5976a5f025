"""`rhizome up`: the whole service on this machine."""

import os
import sys

import click

from rhizome.commands.environment import REDIS_VARIABLE, load_settings_or_exit
from rhizome.errors import RhizomeError
from rhizome.supervisor import Supervisor
from rhizome.telemetry import configure_logging


@click.command()
@click.option(
    "--allow-new-schema",
    is_flag=True,
    help="Let a version with other features or another target take the place of the champion of the same name.",
)
def up(allow_new_schema: bool) -> None:
    """Run the whole service on this machine until Ctrl-C.

    Where a version stands, it serves at once. If dataset or estimator are others than it was trained with, another is
    trained beside it, and takes its place once it has passed the gate.
    """
    settings = load_settings_or_exit()
    configure_logging("up", settings.log_level)
    try:
        is_redis_given = bool(os.environ.get(REDIS_VARIABLE))
        Supervisor(settings, is_redis_given=is_redis_given, allow_new_schema=allow_new_schema).run()
    except RhizomeError as error:
        click.echo(f"rhizome: {error}", err=True)
        sys.exit(1)
