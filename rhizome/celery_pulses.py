"""The pulses of Celery's own loops: the worker's event loop, which hands out bells, and beat's.

A loop that hangs leaves the other threads and the prefork children in good health, so each beats from inside.
"""

from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.beat import Scheduler

from rhizome.pulse import PULSE_SECONDS, Pulse

ROLE = "main"
PATIENCE_SECONDS = 15.0  #: the loop does nothing that takes long; forking a child is the worst


def build_worker_step(folder: Path) -> type[bootsteps.StartStopStep]:
    """A step of Celery's worker that beats from a timer of its event loop, across reconnections."""

    class PulseStep(bootsteps.StartStopStep):  # type: ignore[misc]
        requires = ("celery.worker.components:Timer",)

        def start(self, parent: Any) -> None:
            parent.timer.call_repeatedly(PULSE_SECONDS, Pulse(folder, ROLE, PATIENCE_SECONDS).beat)

    return PulseStep


def build_scheduler(folder: Path | None) -> type[Scheduler]:
    """Celery's plain scheduler, which keeps its schedule in memory, and beats at each turn of beat's loop."""

    class PulsingScheduler(Scheduler):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._pulse = Pulse(folder, ROLE, PATIENCE_SECONDS)

        def tick(self, *args: Any, **kwargs: Any) -> float:
            self._pulse.beat()
            return float(super().tick(*args, **kwargs))

    return PulsingScheduler
