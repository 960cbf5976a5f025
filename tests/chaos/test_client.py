"""Users of the Python client do not notice that processes are killed, and nothing is predicted twice for them."""

import os
import signal
import threading
from typing import Any

import pytest

from rhizome import keys
from rhizome.client import Client, ClientError
from rhizome.connection import connect
from rhizome.runfile import find_run
from tests.support.service import SAMPLE, Service, eventually

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

USERS = 4


class Users:
    """Predict one sample after the other, and note what they get."""

    def __init__(self, url: str) -> None:
        self.job_ids: list[str] = []
        self.errors: list[Exception] = []
        self._url = url
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._predict_all) for _ in range(USERS)]

    def __enter__(self) -> "Users":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def await_more(self, count: int) -> None:
        target = len(self.job_ids) + count
        eventually(lambda: len(self.job_ids) >= target or self.errors, 90.0, f"{count} more predictions")

    def _predict_all(self) -> None:
        with Client(self._url) as client:
            while not self._is_over.is_set():
                try:
                    self.job_ids.append(client.predict(SAMPLE).id)
                except ClientError as error:
                    self.errors.append(error)
                    return


def test_predictions_survive_the_death_of_gateway_worker_and_redis(service: Service) -> None:
    run = find_run(service.var)
    assert run is not None

    with Users(run.gateway_url) as users:
        for name in ("-m gateway", "-m worker", "valkey-server"):
            users.await_more(50)
            victims = service.pids(name)
            os.kill(victims[0], signal.SIGKILL)
            eventually(
                lambda name=name, victims=victims: service.pids(name) not in ([], victims), 30.0, f"a new {name}"
            )
        users.await_more(50)

    assert users.errors == []
    redis = connect(run.redis_url)
    records = sum(1 for _ in redis.scan_iter(keys.job("*"), count=1000))
    redis.close()
    assert len(set(users.job_ids)) == len(users.job_ids) == records, "each submit is one job, however often it was sent"
