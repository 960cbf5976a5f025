"""SIGSTOP and SIGCONT: processes that stand still for a while, and do not know it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

from tests.chaos.suite.kills import AWAY, CHILD_SECONDS, REDIS_SECONDS
from tests.chaos.suite.phase import Phase
from tests.chaos.suite.stage import LEASE_SECONDS, Stage

SHORT_SECONDS = 3.0
LONG_SECONDS = LEASE_SECONDS + 3.0  #: others take over what was held, and the stopped one comes back to it
REDIS_LONG_SECONDS = 30.0


@contextmanager
def stopped(stage: Stage, pids: list[int]) -> Iterator[None]:
    """These processes stand still within."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
        stage.counts["stops"] += 1
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def stop(stage: Stage, part: str, seconds: float, bound: float = CHILD_SECONDS) -> None:
    """One process of the part for so long; it recovers from when it goes on."""
    with stopped(stage, [stage.pid(part)]):
        time.sleep(seconds)
    stage.recover(part, bound)


def stop_worker(stage: Stage) -> None:
    """The main process and all its children, as a machine that sleeps."""
    with stopped(stage, stage.pids("worker") + stage.pids("worker child")):
        time.sleep(SHORT_SECONDS)
    stage.recover("worker", CHILD_SECONDS)


CHILD = Phase("stop a worker child within its lease", partial(stop, part="worker child", seconds=SHORT_SECONDS))
CHILD_LONG = Phase("stop a worker child beyond its lease", partial(stop, part="worker child", seconds=LONG_SECONDS))
MAIN = Phase("stop the worker's main", partial(stop, part="worker", seconds=SHORT_SECONDS))
WORKER = Phase("stop the whole worker", stop_worker)
REDIS = Phase(
    f"stop Redis for {SHORT_SECONDS:g} s",
    partial(stop, part="valkey-server", seconds=SHORT_SECONDS, bound=REDIS_SECONDS),
    may_refuse=AWAY,
)
REDIS_LONG = Phase(
    f"stop Redis for {REDIS_LONG_SECONDS:g} s",
    partial(stop, part="valkey-server", seconds=REDIS_LONG_SECONDS, bound=REDIS_SECONDS),
    may_refuse=AWAY,
)
PHASES = (CHILD, CHILD_LONG, MAIN, WORKER, REDIS, REDIS_LONG)
