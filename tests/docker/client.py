"""The service as its users see it: a gateway's address and what it answers."""

import http.client
import json
from typing import Any, NamedTuple

from tests.docker.report import Failed, wait_for

SAMPLE = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
TIMEOUT_SECONDS = 10.0
REPORT_SECONDS = 5.0  #: within which two reports agree
FINAL = ("succeeded", "failed", "cancelled", "expired")


class Answer(NamedTuple):
    """A response: its status and its JSON document."""

    status: int
    body: dict[str, Any]


class Client:
    """Talks to one gateway; a connection that breaks is an `OSError`."""

    def __init__(self, port: int) -> None:
        self._port = port

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        payload = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, payload, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read() or b"{}"))
        except (http.client.HTTPException, ValueError) as error:
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()

    def predict(self, *, wait: float = 0, timeout: float = TIMEOUT_SECONDS) -> Answer:
        """One sample."""
        return self.call("POST", f"/predict?wait={wait:g}" if wait else "/predict", SAMPLE, timeout=timeout)

    def result(self, job_id: str) -> dict[str, Any]:
        """A job that must be known."""
        answer = self.call("GET", f"/result/{job_id}")
        if answer.status != 200:
            raise Failed(f"/result/{job_id} answered {answer.status}: {answer.body}")
        return answer.body

    def health(self) -> dict[str, Any]:
        """The health report, whatever its status."""
        return self.call("GET", "/health").body

    def is_ready(self) -> bool:
        """Whether a job sent now would be answered."""
        try:
            return self.call("GET", "/readyz").status == 200
        except OSError:
            return False

    def workers(self) -> list[dict[str, Any]]:
        """The living worker processes of all containers."""
        living: list[dict[str, Any]] = self.health().get("workers", {}).get("processes", [])
        return living

    def served_version(self) -> str:
        """What the workers serve; asked of them, as the gateway's processes learn of a champion a second apart.

        A report may be a second old, so two that follow one another may come from before and after a change.
        """
        found: set[str] = set()

        def is_one() -> bool:
            nonlocal found
            found = {str(worker["version"]) for worker in self.workers()}
            return len(found) == 1

        wait_for(is_one, REPORT_SECONDS, lambda: f"the workers serve {found or 'nothing'}")
        return found.pop()

    def await_version(self, containers: int, seconds: float, *, other_than: str = "") -> str:
        """Waits until the workers of so many containers serve one version, and a new one; returns it."""

        found: set[str] = set()

        def is_served() -> bool:
            nonlocal found
            workers = self.workers()
            found = {str(worker["version"]) for worker in workers}
            hosts = {worker["host"] for worker in workers if worker["lane"] == "interactive"}
            return len(hosts) == containers and len(found) == 1 and found != {other_than}

        wait_for(is_served, seconds, lambda: f"{containers} worker containers do not agree: {self.workers()}")
        return found.pop()
