"""The `rhizome` command. It starts processes and reads Redis; training itself runs in the trainer's own process."""

import os
import subprocess
import sys

import click

from rhizome import __version__
from rhizome.errors import RhizomeError
from rhizome.runfile import find_run
from rhizome.settings import Settings, load_settings
from rhizome.supervisor import Supervisor
from rhizome.telemetry import configure_logging

REDIS_VARIABLE = "RHIZOME_REDIS_URL"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rhizome")
def main() -> None:
    """Rhizome: an asynchronous prediction service for scikit-learn models that keeps its own model healthy.

    Settings are environment variables RHIZOME_*; ARCHITECTURE.md lists them.
    """


@main.command()
def up() -> None:
    """Run the whole service on this machine until Ctrl-C."""
    settings = _settings()
    configure_logging("up", settings.log_level)
    try:
        Supervisor(settings, is_redis_given=bool(os.environ.get(REDIS_VARIABLE))).run()
    except RhizomeError as error:
        _fail(error)


@main.command()
@click.option("--reason", default="requested by rhizome train", show_default=True, help="Kept with the version.")
@click.option("--force", is_flag=True, help="Promote even if the gate refuses.")
@click.option("--no-promote", is_flag=True, help="Publish the version only.")
def train(reason: str, force: bool, no_promote: bool) -> None:
    """Train a version now, and promote it if the gate lets it pass."""
    options = [*(["--force"] if force else []), *(["--no-promote"] if no_promote else [])]
    _run_trainer("train", "--reason", reason, *options)


@main.command()
@click.argument("version")
@click.option("--force", is_flag=True, help="Promote even if the gate refused it.")
def promote(version: str, force: bool) -> None:
    """Make VERSION the champion."""
    _run_trainer("promote", version, *(["--force"] if force else []))


@main.command()
def rollback() -> None:
    """Put the previous champion back."""
    _run_trainer("rollback")


def _run_trainer(*arguments: str) -> None:
    """Runs the trainer against the service of this folder, or the Redis that the environment names."""
    environment = dict(os.environ)
    if not environment.get(REDIS_VARIABLE):
        run = find_run(_settings().var_dir)
        if run is None:
            click.echo(
                "rhizome: no service runs in this folder; start it with 'make up', or set RHIZOME_REDIS_URL",
                err=True,
            )
            sys.exit(1)
        environment[REDIS_VARIABLE] = run.redis_url
    sys.exit(subprocess.run([sys.executable, "-m", "trainer", *arguments], env=environment, check=False).returncode)


def _settings() -> Settings:
    try:
        return load_settings()
    except RhizomeError as error:
        _fail(error)
        raise AssertionError("unreachable") from None


def _fail(error: RhizomeError) -> None:
    click.echo(f"rhizome: {error}", err=True)
    sys.exit(1)
