"""Waiting for what another thread does, without making anybody else wait."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

TURN_SECONDS = 0.002  #: between two looks at who is more urgent

Result = TypeVar("Result")


def await_result(future: Future[Result], between: Callable[[], None]) -> Result:
    """What `future` comes to, as soon as it does; raises what it raises.

    Args:
        future: another thread's work.
        between: serves whoever is more urgent; called again and again meanwhile.
    """
    while not future.done():
        between()
        wait((future,), TURN_SECONDS)
    return future.result()
