"""What commands take from the environment and the folder they are called in: settings, the service, the admin key."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from rhizome.runfile import find_run

if TYPE_CHECKING:
    from rhizome.settings import Settings

REDIS_VARIABLE = "RHIZOME_REDIS_URL"
URL_VARIABLE = "RHIZOME_URL"
ADMIN_KEY_VARIABLE = "RHIZOME_ADMIN_KEY"
SIGNING_KEY_VARIABLE = "RHIZOME_SIGNING_KEY"
#: What makes it another service.
_IDENTITY = (REDIS_VARIABLE, "RHIZOME_MODEL_NAME", "RHIZOME_MODELS_DIR")
_PATHS = ("RHIZOME_MODELS_DIR", "RHIZOME_DATASET")
_VAR_DIR_VARIABLE = "RHIZOME_VAR_DIR"
_ADMIN_KEY_FILE = "admin_key"


def load_settings_or_exit() -> "Settings":
    """This deployment's settings; unusable ones are named, and end the process."""
    # The commands that only speak HTTP work without what settings need.
    try:
        from rhizome.errors import RhizomeError  # noqa: PLC0415
        from rhizome.settings import load_settings  # noqa: PLC0415
    except ModuleNotFoundError as error:
        sys.exit(f"rhizome: the package '{error.name}' is missing; 'make up' installs it, or ask a service with --url")
    try:
        return load_settings()
    except RhizomeError as error:
        _end(str(error))


def find_service_environment() -> dict[str, str]:
    """The environment of a command that acts beside a service: what the service of this folder runs stands in it.

    So nobody trains or rolls back another model than the one that runs. A variable that is set and says otherwise is
    refused where it names another model, folder or Redis; of the others the command is told.
    """
    environment = dict(os.environ)
    run = find_run(load_settings_or_exit().var_dir)
    if run is None and not environment.get(REDIS_VARIABLE):
        _end("no service runs in this folder; start it with 'make up', or set RHIZOME_REDIS_URL")
    if run is None:
        return environment
    if not run.settings:
        _end("the service of this folder was started by an earlier release; start it again")
    if run.signs and not environment.get(SIGNING_KEY_VARIABLE):
        _end(f"the service of this folder signs its versions; set {SIGNING_KEY_VARIABLE} to its key")
    for name, value in {REDIS_VARIABLE: run.redis_url, **run.settings}.items():
        environment[name] = given = environment.get(name) or value
        if not _is_same(name, given, value):
            _tell_conflict(name, given, value)
    return environment


def _tell_conflict(name: str, given: str, value: str) -> None:
    if name == REDIS_VARIABLE:  # which may hold a password
        difference = f"{name} names another Redis than the service of this folder uses"
    else:
        difference = f"{name} is {given}, and the service of this folder runs with {value}"
    if name in _IDENTITY:
        _end(f"{difference}; unset it, or set {_VAR_DIR_VARIABLE} to the folder of the service that is meant")
    click.echo(f"rhizome: {difference}", err=True)


def _is_same(name: str, given: str, value: str) -> bool:
    if name in _PATHS:
        return Path(given).resolve() == Path(value).resolve()
    return given == value


def _end(message: str) -> NoReturn:
    click.echo(f"rhizome: {message}", err=True)
    sys.exit(1)


def find_service_url(given: str | None) -> str | None:
    """The service's address: what is given, else the environment's, else the running service's of this folder."""
    if given or os.environ.get(URL_VARIABLE):
        return given or os.environ[URL_VARIABLE]
    run = find_run(_var_dir())
    return run.gateway_url if run else None


def find_admin_key(url: str | None) -> str | None:
    """The admin key for the service at `url`: the environment's; the one of this folder is for its own service alone.

    Args:
        url: as `find_service_url` gives it.
    """
    if key := os.environ.get(ADMIN_KEY_VARIABLE):
        return key
    run = find_run(_var_dir())
    if url is None or run is None or url.rstrip("/") != run.gateway_url.rstrip("/"):
        return None
    try:
        return (_var_dir() / _ADMIN_KEY_FILE).read_text().strip() or None
    except OSError:
        return None


def _var_dir() -> Path:
    return Path(os.environ.get(_VAR_DIR_VARIABLE) or "var")
