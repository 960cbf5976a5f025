"""What commands take from the environment and the folder they are called in: settings, the service, the admin key."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rhizome.runfile import find_run

if TYPE_CHECKING:
    from rhizome.settings import Settings

REDIS_VARIABLE = "RHIZOME_REDIS_URL"
URL_VARIABLE = "RHIZOME_URL"
ADMIN_KEY_VARIABLE = "RHIZOME_ADMIN_KEY"
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
        click.echo(f"rhizome: {error}", err=True)
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
