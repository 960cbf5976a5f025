"""A client for one command: where its service is, and what the client's errors mean for the exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from rhizome.client import (
    Client,
    ClientError,
    Gone,
    InvalidInput,
    NotAllowed,
    NotFound,
    Timeout,
    TooBusy,
    Unavailable,
)
from rhizome.commands.environment import find_admin_key, find_service_url

FAILED, NOT_FOUND, INVALID, UNAVAILABLE, NOT_ALLOWED, TIMED_OUT, INTERRUPTED = 1, 3, 4, 5, 6, 7, 130
_EXIT_CODES: dict[type[ClientError], int] = {
    NotFound: NOT_FOUND,
    Gone: NOT_FOUND,
    InvalidInput: INVALID,
    Unavailable: UNAVAILABLE,
    TooBusy: UNAVAILABLE,
    NotAllowed: NOT_ALLOWED,
    Timeout: TIMED_OUT,
}
#: As `rhizome promote` beside a service answers it.
_REFUSED_BY_GATE = "promotion_refused"


#: Somebody who calls a command wants to know soon that no service is there; a job that is waited for is worth more.
_PATIENCE_SECONDS, _WAITING_PATIENCE_SECONDS = 5.0, 60.0


@contextmanager
def connected(url: str | None, job_id: str | None = None) -> Iterator[Client]:
    """A client of the service; the client's errors become messages and exit codes.

    Args:
        url: as given on the command line.
        job_id: what the command waits for: after an interruption it says how to come back.
    """
    seconds = _WAITING_PATIENCE_SECONDS if job_id else _PATIENCE_SECONDS
    address = find_service_url(url)
    with explained(job_id), Client(address, admin_key=find_admin_key(address), timeout=seconds) as client:
        yield client


@contextmanager
def explained(job_id: str | None = None) -> Iterator[None]:
    """Ends the process with a message where the client raises, or somebody presses Ctrl-C."""
    try:
        yield
    except ClientError as error:
        click.echo(f"rhizome: {error}", err=True)
        if left := job_id or (error.job_id if isinstance(error, Timeout) else None):
            click.echo(_come_back(left), err=True)
        sys.exit(exit_code_of(error))
    except OSError as error:
        click.echo(f"rhizome: {error.filename or 'a file'}: {error.strerror or error}", err=True)
        if job_id:
            click.echo(_come_back(job_id), err=True)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        click.echo("\nrhizome: interrupted", err=True)
        if job_id:
            click.echo(_come_back(job_id), err=True)
        sys.exit(INTERRUPTED)


def exit_code_of(error: ClientError) -> int:
    """The exit code that the command documents for such an error."""
    if error.code == _REFUSED_BY_GATE:
        return NOT_FOUND
    for kind, code in _EXIT_CODES.items():
        if isinstance(error, kind):
            return code
    return FAILED


def _come_back(job_id: str) -> str:
    return f"the job goes on: 'rhizome result {job_id} --wait 600' waits for it, 'rhizome cancel {job_id}' ends it"
