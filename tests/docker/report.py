"""What the run says: steps with their times, measurements, and what did not hold."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_SECONDS = 0.2


class Failed(Exception):
    """Something that must hold does not."""


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """A measurement, or what was found."""
    say(f"    {text}")


@contextmanager
def step(title: str) -> Iterator[None]:
    """A named part of the run, with its time."""
    say(f"--- {title}")
    begun = time.monotonic()
    yield
    note(f"({time.monotonic() - begun:.1f} s)")


def expect(is_true: object, complaint: str) -> None:
    """Ends the run unless it holds."""
    if not is_true:
        raise Failed(complaint)


def wait_for(look: Callable[[], object], seconds: float, complaint: str | Callable[[], str]) -> float:
    """Looks until the answer is true; returns the seconds it took."""
    begun = time.monotonic()
    while not look():
        if time.monotonic() - begun > seconds:
            raise Failed(f"{complaint if isinstance(complaint, str) else complaint()} (after {seconds:g} s)")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - begun
