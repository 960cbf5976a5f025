"""Pulses: files that processes touch while they make progress, so that a healthcheck need not ask Redis or Celery.

A process that hangs cannot say so, and the others cannot tell it from one that waits for Redis. Its file can: it ages.
Each file holds how old it may get, so that whoever reads it needs no table of roles. Standard library only, as a
healthcheck runs every few seconds.
"""

import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

PULSE_SECONDS = 1.0
#: Files of the probe's own, beside the pulses.
AWAY_FILE = "redis-away"


class PulseReading(NamedTuple):
    """One process's pulse: its role, its process id, how old it is, and how old it may get, in seconds."""

    role: str
    pid: int
    age_seconds: float
    patience_seconds: float


class Pulse:
    """This process's pulse; made after the fork.

    Args:
        folder: where the files are; None switches the pulse off.
        role: what kind of process this is.
        patience_seconds: the longest that the process may be busy with one thing.
    """

    def __init__(self, folder: Path | None, role: str, patience_seconds: float) -> None:
        self._path = folder / f"{role}.{os.getpid()}" if folder else None
        self._patience_seconds = patience_seconds

    def beat(self) -> None:
        """Says that the process makes progress. A full disk is no reason to fail."""
        if self._path is None:
            return
        try:
            os.utime(self._path)
        except FileNotFoundError:
            self._create(self._path)
        except OSError:
            return

    def withdraw(self) -> None:
        """The process ends in order."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def start_thread(self) -> None:
        """Beats from a thread until the process ends: for a process whose own loop cannot be reached."""
        if self._path is not None:
            threading.Thread(target=self._beat_for_ever, name="pulse", daemon=True).start()

    def _beat_for_ever(self) -> None:
        while True:
            self.beat()
            time.sleep(PULSE_SECONDS)

    def _create(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{self._patience_seconds:g}")
        except OSError:
            return


def read_pulses(folder: Path) -> list[PulseReading]:
    """The pulses of living processes; the files of dead ones are removed on the way.

    A process that was killed is no concern of a healthcheck: its parent or the container's restart replaces it.
    """
    if not folder.is_dir():
        return []
    readings = []
    for path in sorted(folder.iterdir()):
        role, _, pid = path.name.rpartition(".")
        if not role or not pid.isdecimal():
            continue
        if not Path("/proc", pid).exists():
            path.unlink(missing_ok=True)
            continue
        reading = _read(path, role, int(pid))
        if reading:
            readings.append(reading)
    return readings


def _read(path: Path, role: str, pid: int) -> PulseReading | None:
    try:
        return PulseReading(role, pid, time.time() - path.stat().st_mtime, float(path.read_text()))
    except (OSError, ValueError):  # withdrawn, or being written, at this moment
        return None
