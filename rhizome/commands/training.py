"""`rhizome train`, `promote` and `rollback`: beside a service through its Redis, or from anywhere over HTTP."""

import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import click

from rhizome.commands.environment import URL_VARIABLE, find_service_environment

if TYPE_CHECKING:
    from rhizome.client import Client

_remote = click.option(
    "--url",
    envvar=URL_VARIABLE,
    show_envvar=True,
    help="Ask the service at this address, with the admin key, instead of acting here.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and logs on standard error.")


@click.command()
@click.option("--reason", default="requested by rhizome train", show_default=True, help="Kept with the version.")
@click.option("--force", is_flag=True, help="Train though nothing has changed, and promote even if the gate refuses.")
@click.option("--no-promote", is_flag=True, help="Publish the version only.")
@click.option("--allow-new-schema", is_flag=True, help="Accept other features, targets or classes than the champion's.")
@_remote
@_json
def train(reason: str, force: bool, no_promote: bool, allow_new_schema: bool, url: str | None, as_json: bool) -> None:
    """Train a version now, and promote it if the gate lets it pass.

    Nothing is trained where dataset, settings and libraries are those of a version that stands: it would be the same.
    Over HTTP, the run is only asked for; 'rhizome health' shows how it goes.
    """
    flags = {"--force": force, "--no-promote": no_promote, "--allow-new-schema": allow_new_schema}
    options = [name for name, is_given in flags.items() if is_given]
    if url is None:
        _run_trainer("train", "--reason", reason, *options, as_json=as_json)
    _refuse_over_http(*options)
    _order(url, as_json, lambda client: client.retrain())


@click.command()
@click.argument("version")
@click.option("--force", is_flag=True, help="Promote even if the gate refused it.")
@_remote
@_json
def promote(version: str, force: bool, url: str | None, as_json: bool) -> None:
    """Make VERSION the champion."""
    if url is None:
        _run_trainer("promote", version, *(["--force"] if force else []), as_json=as_json)
    _refuse_over_http(*(["--force"] if force else []))
    _order(url, as_json, lambda client: client.promote(version))


@click.command()
@_remote
@_json
def rollback(url: str | None, as_json: bool) -> None:
    """Put the previous champion back."""
    if url is None:
        _run_trainer("rollback", as_json=as_json)
    _order(url, as_json, lambda client: client.rollback())


def _run_trainer(*arguments: str, as_json: bool) -> NoReturn:
    """Runs the trainer against the service of this folder, or the Redis that the environment names."""
    command = [sys.executable, "-m", "trainer", *arguments, *(["--json"] if as_json else [])]
    sys.exit(subprocess.run(command, env=find_service_environment(), check=False).returncode)


def _refuse_over_http(*options: str) -> None:
    for option in options:
        raise click.UsageError(
            f"{option} is for the operator beside the service; it does not work with --url or {URL_VARIABLE}"
        )


def _order(url: str, as_json: bool, order: "Callable[[Client], Any]") -> None:
    # Acting here needs no HTTP client.
    from rhizome.commands.connection import connected  # noqa: PLC0415
    from rhizome.commands.printing import print_facts, print_json  # noqa: PLC0415

    with connected(url) as client:
        done = order(client)
    if as_json:
        print_json(done)
    else:
        print_facts([(name.replace("_", " "), getattr(done, name)) for name in done.__struct_fields__])
