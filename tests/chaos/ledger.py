"""The ledger: every id that came with a 202 is noted, and at the end each must have its right answer."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.support.service import SAMPLE, Service, eventually

USERS = 4
PAUSE_SECONDS = 0.002  #: between two submits of a user, so that four users do not fill the lane for minutes
SAMPLES = {
    "setosa": SAMPLE,
    "versicolor": {"sepal_length": 5.8, "sepal_width": 2.7, "petal_length": 4.1, "petal_width": 1.0},
    "virginica": {"sepal_length": 6.5, "sepal_width": 3.0, "petal_length": 5.8, "petal_width": 2.2},
}


class Ledger:
    """Submits without waiting, as fast as `USERS` users do, whatever happens to the service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._submit_all_the_time) for _ in range(USERS)]
        #: job id -> the label that is due
        self.promised: dict[str, str] = {}
        self.refused = 0

    def _submit_all_the_time(self) -> None:
        with httpx.Client(base_url=self._service.http.base_url, timeout=15.0) as http:
            while not self._stopped.is_set():
                for label, sample in SAMPLES.items():
                    self._submit(http, label, sample)
                time.sleep(PAUSE_SECONDS)

    def _submit(self, http: httpx.Client, label: str, sample: dict[str, float]) -> None:
        try:
            response = http.post("/predict", json=sample)
        except httpx.TransportError:
            self.refused += 1
            return
        if response.status_code == 202:
            self.promised[response.json()["id"]] = label
        else:
            self.refused += 1

    @contextmanager
    def running(self) -> Iterator["Ledger"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self.close()

    def close(self) -> None:
        """No further submits."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(30.0)

    def await_more(self, count: int) -> None:
        """Until `count` more jobs have been accepted."""
        goal = len(self.promised) + count
        eventually(lambda: len(self.promised) >= goal, 60.0, f"{count} more accepted jobs")

    def check(self) -> None:
        """Ends the load; then each accepted job must come to its right answer, exactly as promised."""
        self.close()
        assert self.promised, "nothing was accepted: the test proves nothing"
        wrong = {}
        for job_id, label in self.promised.items():
            document = self._service.result(job_id, wait=60.0)
            if document["status"] != "succeeded" or document["result"]["label"] != label:
                wrong[job_id] = document
        assert not wrong, f"{len(wrong)} of {len(self.promised)} accepted jobs were lost or wrong: {wrong}"
