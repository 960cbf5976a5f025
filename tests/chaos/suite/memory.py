"""How much memory each process of a service holds while it is disturbed: slope and peak."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from benchmarks.footprint import find_processes, read_memory

LOOK_SECONDS = 0.5  #: what a body costs is given back within a second
LEAST_LOOKS = 40  #: a slope of fewer says nothing


class Growth(NamedTuple):
    """One process: MB per minute by least squares (of PSS), over how many seconds, and the most it held (RSS, MB)."""

    part: str
    pid: int
    seconds: float
    slope: float | None
    peak: float


class Watch:
    """Looks at every process below `roots()`."""

    def __init__(self, roots: Callable[[], list[int]]) -> None:
        self._roots = roots
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look)
        #: (part, pid) -> (time, PSS, RSS)
        self._series: dict[tuple[str, int], list[tuple[float, float, float]]] = defaultdict(list)
        self._peaks: dict[str, float] = defaultdict(float)  #: PSS in MB of all processes of a kind, by its first word

    def _look(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            totals: dict[str, float] = defaultdict(float)
            for process in find_processes(self._roots()):
                for memory in read_memory([process]):
                    series = self._series[process.part, process.pid]
                    series.append((time.monotonic(), memory.pss_mb, memory.rss_mb))
                    totals[process.part.split()[0]] += memory.pss_mb
            for kind, total in totals.items():
                self._peaks[kind] = max(self._peaks[kind], total)

    @contextmanager
    def running(self) -> Iterator["Watch"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stopped.set()
            self._thread.join()

    def growths(self) -> list[Growth]:
        found = []
        for (part, pid), series in sorted(self._series.items()):
            times, shares, sizes = np.array(series).T
            slope = float(np.polyfit(times - times[0], shares, 1)[0]) * 60 if len(series) >= LEAST_LOOKS else None
            found.append(Growth(part, pid, float(times[-1] - times[0]), slope, float(sizes.max())))
        return found

    def take_peaks(self) -> dict[str, float]:
        """The most that the processes of each kind held together since the last call."""
        peaks = dict(self._peaks)
        self._peaks.clear()
        return peaks
