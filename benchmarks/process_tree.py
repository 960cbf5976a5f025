"""Child processes with all their descendants: started, timed through /proc, stopped without leftovers.

A process is known by its pid and its start time together, so that a reused pid is never taken for one of
ours. Linux only.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
TERM_WAIT_SECONDS = 30.0  #: for an orderly end; then what is left is killed
ORPHAN_WAIT_SECONDS = 1.0  #: for descendants that are still there when the started process has ended
KILL_WAIT_SECONDS = 5.0
CHECK_SECONDS = 0.05


class Stat(NamedTuple):
    """The part of /proc/<pid>/stat that matters here; times in clock ticks."""

    pid: int
    parent: int
    session: int
    cpu_ticks: int  #: user + system, its own and that of children it has waited for
    start_ticks: int
    is_zombie: bool


def parse_stat(line: str) -> Stat:
    """Parses the line of /proc/<pid>/stat; the command name in it may hold spaces and brackets."""
    pid, _, rest = line.partition(" (")
    fields = rest.rpartition(") ")[2].split()
    return Stat(
        pid=int(pid),
        parent=int(fields[1]),
        session=int(fields[3]),
        cpu_ticks=sum(int(ticks) for ticks in fields[11:15]),
        start_ticks=int(fields[19]),
        is_zombie=fields[0] == "Z",
    )


def read_stats() -> dict[int, Stat]:
    """Reads every process of the machine that can be seen."""
    stats = {}
    for path in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            stat = parse_stat(path.read_text())
            stats[stat.pid] = stat
    return stats


class ProcessTree:
    """One started command in a session of its own, and everything that descends from it."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path) -> None:
        """Starts `command`, its output going to `log`."""
        self.name = name
        self.log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._seen: dict[int, Stat] = {}

    @property
    def pid(self) -> int:
        return self._popen.pid

    def is_running(self) -> bool:
        return self._popen.poll() is None

    def watch(self) -> None:
        """Notes its present processes, so that `stop` finds them even after they have lost their parent."""
        self.members()

    def cpu_seconds(self) -> float:
        """Returns the CPU time, user and system, of all its processes since they started."""
        return sum(stat.cpu_ticks for stat in self.members()) / TICKS_PER_SECOND

    def stop(self) -> bool:
        """Ends it by SIGTERM, after a bounded wait by SIGKILL.

        Returns:
            Whether all of it ended by itself.
        """
        self.watch()
        self._popen.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(TERM_WAIT_SECONDS)
        deadline = time.monotonic() + ORPHAN_WAIT_SECONDS
        while self._left() and time.monotonic() < deadline:
            time.sleep(CHECK_SECONDS)
        left = self._left()
        for stat in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stat.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(KILL_WAIT_SECONDS)
        return not left

    def members(self) -> list[Stat]:
        """Lists the living: descendants, the session's, and those once seen that lost their parent since."""
        stats = read_stats()
        members = {stat.pid for stat in stats.values() if self._belongs(stat)}
        grown = True
        while grown:
            children = {stat.pid for stat in stats.values() if stat.parent in members} - members
            members |= children
            grown = bool(children)
        self._seen.update((pid, stats[pid]) for pid in members)
        return [stats[pid] for pid in members]

    def _belongs(self, stat: Stat) -> bool:
        seen = self._seen.get(stat.pid)
        return stat.session == self._popen.pid or (seen is not None and seen.start_ticks == stat.start_ticks)

    def _left(self) -> list[Stat]:
        self._popen.poll()  # reaps it
        return [stat for stat in self.members() if not stat.is_zombie]
