"""A whole running service, as `make up` runs it, on a free port and in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from rhizome.embedded_redis import find_free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 40.0
SAMPLE = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
ADMIN_KEY = "a-key-for-tests"


def eventually(condition: Callable[[], Any], seconds: float = 20.0, what: str = "the condition") -> Any:
    """Polls until `condition()` is truthy, and returns that; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.05)


class Service:
    """Starts, stops, and reaches into one service."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.port = find_free_port()
        self.var = folder / "var"
        self.models = folder / "models"
        self._log = folder / "up.log"
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("RHIZOME_")}
        self._environment |= {
            "RHIZOME_PORT": str(self.port),
            "RHIZOME_VAR_DIR": str(self.var),
            "RHIZOME_MODELS_DIR": str(self.models),
            "RHIZOME_ADMIN_KEY": ADMIN_KEY,
            **{f"RHIZOME_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=70.0)

    @property
    def output(self) -> str:
        """What the command has printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def environment(self) -> dict[str, str]:
        """What the command is started with."""
        return dict(self._environment)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *options: str) -> "Service":
        with self._log.open("wb") as log:  # anew: an old banner would look like a new one
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rhizome", "up", *options],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self._is_up, START_SECONDS, "the service's banner")
        return self

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the service ended at its start:\n{self.output}"
        return "is ready after" in self.output

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal to the supervisor alone; returns its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(STOP_SECONDS)
        self.http.close()
        return code

    def kill(self) -> None:
        """SIGKILL to the supervisor: it has no chance to stop anything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        self.http.close()

    def kill_if_alive(self) -> None:
        """After a test that failed half-way: nobody else could use its folder."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def pids(self, name: str) -> list[int]:
        """The processes of this service whose command line holds the words `name`, such as `valkey-server`.

        A module stands for what it runs without arguments: `-m worker` is not `-m worker webhooks`.
        """
        found = {pid: command_line(pid).strip() for pid in children_of(self.pid)}
        is_module = name.startswith("-m ")
        return [pid for pid, line in found.items() if (line.endswith(name) if is_module else name in line)]

    def worker_children(self) -> list[int]:
        """The prefork children of the interactive lane's main process."""
        (main,) = self.pids("-m worker")
        return children_of(main)

    def batch_children(self) -> list[int]:
        """Those of the batch lane's."""
        (main,) = self.pids("-m worker batches")
        return children_of(main)

    def health(self) -> dict[str, Any]:
        return dict(self.http.get("/health").json())

    def submit(self, sample: dict[str, Any] | None = None) -> str:
        """Submits one sample; the 202's id."""
        response = self.http.post("/predict", json=sample or SAMPLE)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    def result(self, job_id: str, wait: float = 30.0) -> dict[str, Any]:
        """The job's final document."""
        document = self.http.get(f"/result/{job_id}", params={"wait": wait}).json()
        assert document["status"] not in ("queued", "running"), document
        return dict(document)

    def admin(self, path: str) -> httpx.Response:
        return self.http.post(path, headers={"Authorization": f"Bearer {ADMIN_KEY}"})

    def champion(self) -> str:
        return str(self.health()["champion"]["version"])

    def serves(self, version: str) -> bool:
        """Whether this is the champion and every worker has it, in one report: two may be a second apart."""
        report = self.health()
        return bool(report["champion"]["version"] == version and report["workers"]["converged"])

    def logs(self, name: str) -> str:
        return (self.var / "log" / f"{name}.jsonl").read_text()


def children_of(pid: int) -> list[int]:
    """The direct children of a process, from /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _parent_of(entry) == pid:
            found.append(int(entry.name))
    return sorted(found)


def _parent_of(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """True while the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
