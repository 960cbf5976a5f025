"""Load that never forgets: clients that send samples in the background and remember each id that was accepted."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.docker.client import FINAL, Client
from tests.docker.report import Failed, wait_for

CLIENTS = 6
PAUSE_SECONDS = 0.05  #: after each request, so that the machine has something left for what is tested
SETTLE_SECONDS = 90.0  #: a dead worker's jobs come back after their lease, Celery's connection after its pauses


class Load:
    """A context manager: the load runs inside it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(CLIENTS)]
        self.accepted: list[str] = []
        self.refused = 0

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def wait_for_more(self, count: int, seconds: float = 30.0) -> None:
        """Waits until so many further jobs were accepted."""
        enough = len(self.accepted) + count
        wait_for(lambda: len(self.accepted) >= enough, seconds, "the gateway accepts no jobs any more")

    def check(self) -> dict[str, int]:
        """Reads every accepted job until it is final; returns how many answers each version gave.

        Raises:
            Failed: one was lost, or did not succeed.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        with ThreadPoolExecutor(4) as pool:
            jobs = list(pool.map(lambda job_id: self._await(job_id, deadline), self.accepted))
        versions: dict[str, int] = {}
        for job in jobs:
            if job["status"] != "succeeded":
                raise Failed(f"an accepted job did not succeed: {job}")
            versions[job["version"]] = versions.get(job["version"], 0) + 1
        return versions

    def _await(self, job_id: str, deadline: float) -> dict[str, str]:
        while True:
            job = self._client.result(job_id)
            if job["status"] in FINAL:
                return job
            if time.monotonic() > deadline:
                raise Failed(f"an accepted job was not answered within {SETTLE_SECONDS:g} s: {job}")
            time.sleep(0.5)

    def _send(self) -> None:
        while not self._stopped.is_set():
            try:
                answer = self._client.predict()
            except OSError:
                self.refused += 1
            else:
                if answer.status in (200, 202):
                    self.accepted.append(answer.body["id"])
                else:
                    self.refused += 1
            time.sleep(PAUSE_SECONDS)
