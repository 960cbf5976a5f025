"""The warden: sees from the worker's parent process that no child hangs, and ends one that does.

It is a timer of Celery's event loop. A thread would not do, since this process forks; nor would the child itself, since
native code may hang with Python's lock held.
"""

import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery import bootsteps

from worker.seats import Seats

LOOK_SECONDS = 0.2

log = logging.getLogger(__name__)


class Warden:
    """Watches the children of one pool.

    Args:
        seats: what they are doing.
        on_serving: is told the version that a child serves, where that is another than before.
    """

    def __init__(self, seats: Seats, on_serving: Callable[[str], None]) -> None:
        self._seats = seats
        self._on_serving = on_serving
        self._serving = ""
        #: The children seen last, by seat. One that is forked inherits this, so it knows how the one before it ended.
        self._children: dict[int, Any] = {}

    def look(self, children: list[Any]) -> None:
        """Ends whoever takes too long.

        Args:
            children: Billiard's processes.
        """
        for child in list(children):
            self._children[child.index] = child
            if reason := self._seats.judge(child.index, child.pid):
                log.error("child_killed", extra={"child": child.pid, "reason": reason})
                with suppress(ProcessLookupError):
                    os.kill(child.pid, signal.SIGKILL)
            elif (version := self._seats.serving(child.index)) and version != self._serving:
                self._serving = version
                self._on_serving(version)

    def how_ended(self, index: int | None) -> str:
        """How the last child on this seat ended; asked by the one after it."""
        child = self._children.get(index) if index is not None else None
        code = getattr(getattr(child, "_popen", None), "returncode", None)  # reaped before this one was forked
        if code is None:
            return "its process ended"
        return f"its process was ended by signal {-code}" if code < 0 else f"its process ended with exit code {code}"


def build_step(warden: Warden) -> type[bootsteps.StartStopStep]:
    """A step of Celery's worker that has the warden look, again and again."""

    class WardenStep(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.components:Timer", "celery.worker.components:Pool")

        def start(self, parent: Any) -> None:
            parent.timer.call_repeatedly(LOOK_SECONDS, self._look, (parent.pool,))

        def _look(self, pool: Any) -> None:
            children = pool._pool._pool
            warden.look(children)
            # Celery misses an end now and then, where two come together, and looks for itself every 5 s only.
            if any(child.exitcode is not None for child in children):
                pool.maintain_pool()

    return WardenStep
