"""A client for one command: where its service is, and what the client's errors mean for the exit code."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

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
        job_id: what the command waits for: whatever goes wrong, it says how to come back.
    """
    seconds = _WAITING_PATIENCE_SECONDS if job_id else _PATIENCE_SECONDS
    address = find_service_url(url)
    with explained(job_id), Client(address, admin_key=find_admin_key(address), timeout=seconds) as client:
        yield client


@contextmanager
def explained(job_id: str | None = None) -> Iterator[None]:
    """Ends the process with a message where the client or a file fails, or somebody presses Ctrl-C."""
    try:
        yield
    except ClientError as error:
        is_there = not isinstance(error, NotFound | Gone)
        _end(str(error), exit_code_of(error), job_id if is_there else None)
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever read our output has seen enough
            raise
        place = f"{error.filename}: " if error.filename else ""
        _end(f"{place}{error.strerror or error}", FAILED, job_id)
    except KeyboardInterrupt:
        click.echo(err=True)
        _end("interrupted", INTERRUPTED, job_id)


def _end(message: str, exit_code: int, job_id: str | None) -> NoReturn:
    click.echo(f"rhizome: {message}", err=True)
    if job_id:
        click.echo(
            f"the job is not lost: 'rhizome result {job_id} --wait 600' comes back to it (with -o FILE for a batch's "
            f"answers), 'rhizome cancel {job_id}' ends it",
            err=True,
        )
    sys.exit(exit_code)


def exit_code_of(error: ClientError) -> int:
    """The exit code that the command documents for such an error."""
    if error.code == _REFUSED_BY_GATE:
        return NOT_FOUND
    for kind, code in _EXIT_CODES.items():
        if isinstance(error, kind):
            return code
    return FAILED
