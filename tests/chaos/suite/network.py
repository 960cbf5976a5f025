"""What networks do between the processes and Redis: resets, delays, black holes, connections that nobody knows of."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from tests.chaos.suite.kills import AWAY, REDIS_SECONDS
from tests.chaos.suite.phase import Phase
from tests.chaos.suite.stage import Stage
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer

HOLD_SECONDS = 5.0
GONE_SECONDS = 6.0
DELAY_SECONDS = 0.05
LATE_SECONDS = 6.0
RESETS = 8
#: A connection that leads nowhere is told by silence alone: a worker's patience with Redis is 8 s, and a process of the
#: gateway, which may have been asked nothing meanwhile, has one of 2.5 s.
SILENCE_SECONDS = 8.0 + 2.5


@contextmanager
def proxied_redis(folder: Path) -> Iterator[tuple[Proxy, str]]:
    """A server, the proxy before it, and the URL that leads through."""
    server = RedisServer(folder)
    server.start()
    try:
        url = urlsplit(server.url)
        with Proxy((str(url.hostname), int(url.port or 0))).running() as proxy:
            yield proxy, server.url.replace(f":{url.port}/", f":{proxy.port}/")
    finally:
        server.stop()


def build_phases(proxy: Proxy) -> tuple[Phase, ...]:
    """The phases of a service whose Redis is behind `proxy`."""

    def phase(name: str, disturb: Callable[[Proxy, Stage], None], may_refuse: tuple[str, ...] = AWAY) -> Phase:
        return Phase(name, partial(disturb, proxy), may_refuse)

    return (
        phase("connections to Redis reset", reset),
        phase("Redis in a black hole", hold),
        phase("Redis 100 ms away", delay, ()),
        phase("Redis refuses connections", refuse),
        phase("connections to Redis forgotten", forget),
    )


def reset(proxy: Proxy, stage: Stage) -> None:
    for _ in range(RESETS):
        proxy.reset()
        stage.counts["cuts"] += 1
        stage.recover("Redis", REDIS_SECONDS)
        time.sleep(0.3)


def hold(proxy: Proxy, stage: Stage) -> None:
    proxy.hold()
    stage.counts["cuts"] += 1
    try:
        time.sleep(HOLD_SECONDS)
    finally:
        proxy.release()
    stage.recover("Redis", REDIS_SECONDS)


def delay(proxy: Proxy, stage: Stage) -> None:
    proxy.delay(DELAY_SECONDS)
    try:
        time.sleep(LATE_SECONDS)
        stage.recover("a late Redis", REDIS_SECONDS)
    finally:
        proxy.delay(0)


def refuse(proxy: Proxy, stage: Stage) -> None:
    proxy.refuse(True)
    stage.counts["cuts"] += 1
    try:
        time.sleep(GONE_SECONDS)
    finally:
        proxy.refuse(False)
    stage.recover("Redis", REDIS_SECONDS)


def forget(proxy: Proxy, stage: Stage) -> None:
    proxy.forget()
    stage.counts["cuts"] += 1
    stage.recover("Redis", SILENCE_SECONDS + REDIS_SECONDS)
