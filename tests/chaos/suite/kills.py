"""`kill -9` of every process of the service in turn."""

import os
import signal
import time
from functools import partial

from tests.chaos.suite.phase import Phase
from tests.chaos.suite.stage import LEASE_SECONDS, Stage

CHILD_SECONDS = 1.0
REDIS_SECONDS = 3.0  #: after it is back
AWAY = ("queue_unavailable",)
TIMES = 3  #: of what comes back at once; the supervisor waits longer with each death of a main process


def kill_each(stage: Stage, parts: tuple[str, ...], bound: float) -> None:
    """Each of these parts, one after the other; parts that the service does not have are left out."""
    for part in [part for part in parts if stage.pids(part)]:
        for _ in range(TIMES if part.endswith("child") and not stage.is_short else 1):
            begun = time.monotonic()
            stage.kill(part)
            stage.recover(part, bound, begun)
            stage.await_parts()


def kill_redis(stage: Stage) -> None:
    for _ in range(1 if stage.is_short else 2):
        stage.kill("valkey-server")
        stage.await_redis()
        stage.recover("Redis", REDIS_SECONDS)
        stage.await_parts()


def kill_all_children(stage: Stage) -> None:
    """Every process that scores at once, with all that they hold."""
    for part in ("worker child", "worker batches child"):
        for pid in stage.pids(part):
            os.kill(pid, signal.SIGKILL)
            stage.counts["kills"] += 1
    stage.recover("all children", CHILD_SECONDS)
    stage.await_parts()


WORKERS = Phase(
    "kill worker children", partial(kill_each, parts=("worker child", "worker batches child"), bound=CHILD_SECONDS)
)
ALL_CHILDREN = Phase("kill all worker children at once", kill_all_children)
WORKER_MAINS = Phase("kill worker mains", partial(kill_each, parts=("worker", "worker batches"), bound=LEASE_SECONDS))
GATEWAY_CHILDREN = Phase(
    "kill gateway children", partial(kill_each, parts=("gateway child",), bound=CHILD_SECONDS), may_cut=True
)
GATEWAY_MAIN = Phase("kill gateway main", partial(kill_each, parts=("gateway",), bound=LEASE_SECONDS), may_cut=True)
OTHERS = Phase(
    "kill deliverer, trainer, beat",
    partial(kill_each, parts=("worker webhooks", "trainer", "trainer beat"), bound=CHILD_SECONDS),
)
REDIS = Phase("kill Redis", kill_redis, may_refuse=AWAY)
PHASES = (WORKERS, ALL_CHILDREN, WORKER_MAINS, GATEWAY_CHILDREN, GATEWAY_MAIN, OTHERS, REDIS)
