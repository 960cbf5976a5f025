"""Child processes of the supervisor: started in sessions of their own, restarted when they fall, stopped for sure."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1  #: prctl(2)
_AUTOGROUP = Path("/proc/self/autogroup")  #: sched(7)
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 30.0  #: of a process that ends by itself as soon as it is started
MAX_KILLED_BACKOFF_SECONDS = 2.0  #: of one that somebody or the kernel kills
TAIL_BYTES = 64 * 1024
MAX_LOG_BYTES = 64 * 1024 * 1024  #: looked at when a process starts
STEADY_SECONDS = 10.0  #: a child that ran this long could start, whatever ended it; the next pause is the first again

log = logging.getLogger(__name__)


class Child:
    """One supervised process.

    Attributes:
        log_path: where its output goes.

    Args:
        name: names its log file too.
        command: program and arguments.
        environment: the child's whole environment.
        log_dir: its output is appended to `<log_dir>/<name>.jsonl`.
        stop_seconds: how long it may take to end in order.
        niceness: added to the supervisor's; what is not urgent must not take time from what answers.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log_dir: Path,
        stop_seconds: float,
        niceness: int = 0,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._environment = dict(environment)
        self.log_path = log_dir / f"{name}.jsonl"
        self._stop_seconds = stop_seconds
        self._niceness = niceness
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._backoff_seconds = FIRST_BACKOFF_SECONDS
        self._restart_at = 0.0
        self._end_by = 0.0

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def status(self) -> int | None:
        """The exit status of a process that has ended."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Starts it; its session is its own, so that Ctrl-C reaches the supervisor alone."""
        self._rotate()
        with self.log_path.open("ab") as log_file:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=self._settle,  # noqa: PLW1509 - the supervisor has no threads
            )
        self._started_at = time.monotonic()

    def revive(self) -> None:
        """Starts it again if it has ended by itself, with growing pauses."""
        if self._process is None or (status := self._process.poll()) is None:
            return
        now = time.monotonic()
        if not self._restart_at:
            if now - self._started_at > STEADY_SECONDS:
                self._backoff_seconds = FIRST_BACKOFF_SECONDS
            elif status in (-signal.SIGKILL, -signal.SIGTERM):
                self._backoff_seconds = min(self._backoff_seconds, MAX_KILLED_BACKOFF_SECONDS)
            self._sweep()
            log.warning(
                "process_ended",
                extra={"name_": self.name, "status": status, "restart_in_seconds": self._backoff_seconds},
            )
            self._restart_at = now + self._backoff_seconds
            self._backoff_seconds = min(2 * self._backoff_seconds, MAX_BACKOFF_SECONDS)
        if now >= self._restart_at:
            self._restart_at = 0.0
            self.start()

    def ask_to_stop(self) -> None:
        """SIGTERM to the process; it ends its own children."""
        self._end_by = time.monotonic() + self._stop_seconds
        if self.pid is not None and self._process is not None:
            self._process.terminate()

    def await_end(self) -> None:
        """Waits until `stop_seconds` after it was asked, then kills what is left of its session."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, self._end_by - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("process_killed", extra={"name_": self.name, "after_seconds": self._stop_seconds})
        self._sweep()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)

    def tail(self, lines: int = 5) -> str:
        """The end of its log, for an error message."""
        with suppress(OSError), self.log_path.open("rb") as log_file:
            log_file.seek(0, os.SEEK_END)
            log_file.seek(max(0, log_file.tell() - TAIL_BYTES))
            return "\n".join(log_file.read().decode(errors="replace").splitlines()[-lines:])
        return ""

    def _rotate(self) -> None:
        """Puts a long log aside, in the place of the one before."""
        with suppress(OSError):
            if self.log_path.stat().st_size > MAX_LOG_BYTES:
                self.log_path.replace(self.log_path.with_suffix(".old.jsonl"))

    def _settle(self) -> None:
        """Runs in the child before exec; if the supervisor is killed outright, the kernel sends the child SIGTERM."""
        os.nice(self._niceness)
        if self._niceness:
            # Linux shares a processor between sessions first, and each child has one of its own.
            with suppress(OSError):
                _AUTOGROUP.write_text(str(self._niceness))
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    def _sweep(self) -> None:
        """Kills whatever the ended process left in its session."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
