"""A stage: one running service, and what every phase on it needs: its processes, its load, its recovery."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from redis import Redis
from redis.exceptions import RedisError

from benchmarks.footprint import find_processes
from rhizome.connection import connect
from rhizome.runfile import find_run
from tests.chaos.suite.ledger import Ledger
from tests.chaos.suite.load import Load
from tests.chaos.suite.memory import Growth, Watch
from tests.chaos.suite.oracle import MODEL, Oracle
from tests.chaos.suite.phase import Phase, PhaseReport, Recovery, Skipped
from tests.chaos.suite.users import User
from tests.support.service import SAMPLE, Service, eventually, is_alive
from tests.support.webhooks import SECRET, Receiver

LEASE_SECONDS = 5.0
WHOLE_SECONDS = 60.0
AUDIT_SECONDS = 60.0
PROBE_SECONDS = 0.05  #: between two tries
REVIVAL_SECONDS = 40.0
#: MB that a container of each kind may hold by docker-compose.yml: beyond it, the engine would have killed it.
MOST_MB = {"gateway": 512.0, "worker": 2048.0, "trainer": 2048.0, "valkey-server": 2048.0}


class Stage:
    """Runs phases on one service.

    Args:
        name: in the table.
        folder: of its own.
        is_short: whether phases do the least that tells something.
        patience: how many times longer than promised a recovery may take, on a machine that others use.
        settings: of the service, beside those that every stage has.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        is_short: bool = False,
        patience: float = 1.0,
        **settings: object,
    ) -> None:
        self.name, self.folder, self.is_short = name, folder, is_short
        folder.mkdir(parents=True, exist_ok=True)
        self._patience = patience
        self._settings = {
            "worker_processes": 2,
            "lease_seconds": LEASE_SECONDS,
            "webhook_secret": SECRET,
            "webhook_allow_private": "127.0.0.0/8",
        } | settings
        self._clean_up = ExitStack()
        self._receiver = Receiver()
        self.service = Service(folder, **self._settings)
        self._watch = Watch(lambda: [self.service.pid])
        self._parts: Counter[str] = Counter()
        self._oracle = Oracle(self.service.models)
        self.ledger = Ledger()
        self.counts: Counter[str] = Counter()
        self.recoveries: list[Recovery] = []

    @contextmanager
    def running(self) -> Iterator["Stage"]:
        with self._clean_up, self._receiver.running():
            try:
                self.service.start()
                self._clean_up.enter_context(self._watch.running())
                self._await_parts()
                yield self
            finally:
                self._end()

    def _end(self) -> None:
        """Stops the service in order, and notes whether it was; whatever happens, nothing of it is left."""
        pids = self.pids()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        try:
            code = self.service.stop()
        except subprocess.TimeoutExpired:
            self.ledger.fault("broken", "the service did not stop in time")
            self.service.kill()
        else:
            left = [pid for pid in pids if is_alive(pid)]
            if code or left:
                self.ledger.fault("broken", f"the service stopped with {code}, and left the processes {left}")
        for pid in filter(is_alive, pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def run(self, phase: Phase) -> PhaseReport:
        """Load, disturbance, recovery, audit; whatever goes wrong is a fault in the ledger."""
        self.ledger = Ledger(phase.may_refuse, may_cut=phase.may_cut)
        self.counts, self.recoveries, skipped = Counter(), [], ""
        begun = time.monotonic()
        load = Load(self.url, self.ledger, self._receiver.url)
        try:
            with load.running():
                load.await_more(10)
                phase.disturb(self)
                load.await_more(10)
        except Skipped as reason:
            skipped = str(reason)
        except Exception as error:  # whatever it is, the ledger is to be closed
            self.ledger.fault("broken", f"the phase broke off: {type(error).__name__} {error}")
        is_whole = self._settle()
        self.ledger.audit(self.url, self._oracle, AUDIT_SECONDS)
        self._check_webhooks()
        peaks = self._watch.take_peaks()
        for kind, most in MOST_MB.items():
            if peaks.get(kind, 0.0) > most:
                self.ledger.fault("broken", f"{kind} held {peaks[kind]:.0f} MB; its container may hold {most:.0f}")
        if not is_whole or any(found for name, found in self.ledger.faults.items() if name != "late"):
            self._begin_anew()  # one sick process of two is seen by every other request only
        seconds = time.monotonic() - begun
        return PhaseReport(
            self.name, phase.name, seconds, self.ledger, self.counts, self.recoveries, load.waited, peaks, skipped
        )

    def growths(self) -> list[Growth]:
        return self._watch.growths()

    # --- what phases use ---

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    def pids(self, part: str = "") -> list[int]:
        """The living processes that play a part, such as `gateway child`; all of them without one."""
        return [process.pid for process in find_processes([self.service.pid]) if part in ("", process.part)]

    @property
    def parts(self) -> Counter[str]:
        return Counter(process.part for process in find_processes([self.service.pid]))

    def pid(self, part: str) -> int:
        return int(eventually(lambda: self.pids(part), REVIVAL_SECONDS, f"a process '{part}'")[0])

    def kill(self, part: str) -> None:
        """SIGKILL to one process that plays the part, and waits until it is gone."""
        pid = self.pid(part)
        os.kill(pid, signal.SIGKILL)
        self.counts["kills"] += 1
        eventually(lambda: not is_alive(pid), 10.0, f"the end of '{part}'")

    def await_parts(self) -> None:
        """Until every process is in its place."""
        eventually(lambda: not self._parts - self.parts, REVIVAL_SECONDS, f"{self._parts} in place of {self.parts}")

    def recover(self, what: str, bound: float, since: float | None = None) -> None:
        """Until a fresh prediction is answered; how long it took, from `since` (monotonic) or from now."""
        begun = since or time.monotonic()
        until = time.monotonic() + WHOLE_SECONDS
        while not self.is_answered():
            assert time.monotonic() < until, f"{what}: no prediction within {WHOLE_SECONDS:g} s"
            time.sleep(PROBE_SECONDS)
        recovery = Recovery(what, time.monotonic() - begun, bound)
        self.recoveries.append(recovery)
        if recovery.seconds > bound * self._patience:
            self.ledger.fault("late", f"{what}: answered after {recovery.seconds:.2f} s, {bound:g} are promised")

    def is_answered(self) -> bool:
        """Whether one prediction is answered now."""
        with suppress(httpx.TransportError):
            response = httpx.post(f"{self.url}/predict?wait=8", json=SAMPLE, timeout=12.0)
            return response.status_code == 200
        return False

    def user(self) -> User:
        """One more user, for what the load does not do."""
        return User(self.url, self.ledger, seed=1, hook=self._receiver.url)

    def redis(self) -> Redis:
        """A connection of the suite's own; to be closed by who asks."""
        run = find_run(self.service.var)
        assert run is not None
        return connect(run.redis_url, socket_timeout=2.0)

    def await_redis(self, seconds: float = 30.0) -> None:
        with self.redis() as redis:
            eventually(lambda: _answers(redis), seconds, "an answer of Redis")

    @property
    def versions(self) -> Path:
        return self.service.models / MODEL

    # --- how a phase ends ---

    def _await_parts(self) -> None:
        eventually(lambda: self._health().get("status") == "ok", WHOLE_SECONDS, "a healthy service")
        self._parts = self.parts

    def _settle(self) -> bool:
        try:
            eventually(self._is_whole, WHOLE_SECONDS, "a whole service with nothing left to do")
        except AssertionError:
            missing, health = self._parts - self.parts, self._health()
            shown = {name: health.get(name) for name in ("status", "problems", "queue", "webhooks")}
            self.ledger.fault("broken", f"not whole again after {WHOLE_SECONDS:g} s: missing {dict(missing)}; {shown}")
            return False
        return True

    def _is_whole(self) -> bool:
        report = self._health()
        if report.get("status") != "ok" or self._parts - self.parts:
            return False
        lanes = [report["queue"][lane] for lane in ("interactive", "batch")]
        return not any(lane["waiting"] + lane["in_flight"] for lane in lanes) and not report["webhooks"]["pending"]

    def _health(self) -> dict[str, Any]:
        with suppress(httpx.TransportError, ValueError):
            return dict(httpx.get(f"{self.url}/health", timeout=10.0).json())
        return {}

    def _check_webhooks(self) -> None:
        told: dict[str, set[str]] = {}
        for message in list(self._receiver.messages):
            told.setdefault(str(message.body["data"]["id"]), set()).add(f"{message.type} {message.id}")
        for job in self.ledger.jobs.values():
            due = {f"job.succeeded {job.id}_completed"} if job.kind == "webhook" else set()
            if (seen := told.get(job.id, set())) != due:
                fault = "lost" if not seen else "doubled"
                self.ledger.fault(fault, f"{job.id}: events {sorted(seen)}, not {sorted(due)}")

    def _begin_anew(self) -> None:
        """The next phase is to have a fair beginning, whatever this one has left."""
        self._end()
        self.service = Service(self.folder, **self._settings).start()
        self._await_parts()


def _answers(redis: Redis) -> bool:
    with suppress(RedisError):
        return bool(redis.ping())
    return False
