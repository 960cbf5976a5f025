"""What operators do while users are there: restarts in order, promotions, rollbacks, trainings."""

import os
import signal
import time
from functools import partial

import httpx

from tests.chaos.suite.phase import Phase
from tests.chaos.suite.stage import LEASE_SECONDS, Stage
from tests.support.service import eventually, is_alive
from tests.support.training import promote_another

STOP_SECONDS = 30.0
TRAINING_SECONDS = 60.0
REST_SECONDS = 1.0


def restart(stage: Stage, parts: tuple[str, ...]) -> None:
    """SIGTERM to each in turn; the supervisor starts it anew."""
    for part in [part for part in parts if stage.pids(part)]:
        pid = stage.pid(part)
        os.kill(pid, signal.SIGTERM)
        stage.counts["restarts"] += 1
        eventually(lambda pid=pid: not is_alive(pid), STOP_SECONDS, f"the end of '{part}' in order")
        stage.recover(part, LEASE_SECONDS)
        stage.await_parts()


def promote_and_roll_back(stage: Stage) -> None:
    before = stage.service.champion()
    after = promote_another(stage.service, estimator="trainer.estimators:random_forest")
    assert after != before
    for _ in range(1 if stage.is_short else 3):
        time.sleep(REST_SECONDS)
        stage.service.admin("/models/rollback").raise_for_status()
        _await_version(stage, before)
        time.sleep(REST_SECONDS)
        stage.service.admin(f"/models/{after}/promote").raise_for_status()
        _await_version(stage, after)


def retrain(stage: Stage) -> None:
    before = len(_versions(stage))
    stage.service.admin("/retrain?force=true").raise_for_status()
    eventually(lambda: len(_versions(stage)) > before, TRAINING_SECONDS, "one more version")
    eventually(lambda: stage.service.health()["workers"]["converged"], STOP_SECONDS, "every worker on one version")


def _await_version(stage: Stage, version: str) -> None:
    def is_served() -> bool:
        return stage.service.champion() == version and bool(stage.service.health()["workers"]["converged"])

    eventually(is_served, STOP_SECONDS, f"every worker on {version}")


def _versions(stage: Stage) -> list[object]:
    return list(httpx.get(f"{stage.url}/models", timeout=10.0).json()["versions"])


BEHIND = ("worker", "worker batches", "worker webhooks", "trainer", "trainer beat")
PROMOTION = Phase("promotion and rollback", promote_and_roll_back)
PHASES = (
    PROMOTION,
    Phase("retraining", retrain),
    Phase("restart of all behind the gateway", partial(restart, parts=BEHIND)),
    Phase("restart of the gateway", partial(restart, parts=("gateway",)), may_cut=True),
)
