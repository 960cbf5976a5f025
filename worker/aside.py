"""Waiting for what another thread does, without making anybody else wait."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

TURN_SECONDS = 0.002  #: between two looks at who is more urgent


def await_end(future: Future[Any], between: Callable[[], None]) -> None:
    """Waits until `future` has a result or an error, and says nothing of either.

    Args:
        future: another thread's work.
        between: serves whoever is more urgent; called again and again meanwhile. What it raises ends the wait.
    """
    while not future.done():
        between()
        with suppress(TimeoutError):
            future.exception(TURN_SECONDS)
