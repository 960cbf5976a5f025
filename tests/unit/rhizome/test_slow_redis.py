"""A Redis that is slow or breaks off: who calls gives up in time, and no answer is ever taken for another call's."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.round_trips import RoundTrips
from rhizome.connection import connect
from rhizome.errors import QueueUnavailable
from rhizome.job_queue.submission import Submissions
from rhizome.jobs import Lane
from rhizome.lua_scripts import Call, Flight, Script, call, call_together
from rhizome.settings import Settings
from tests.support.queue import build_request
from tests.support.redis_proxy import RedisProxy

ECHO = "return ARGV[1]"
TIMEOUT_SECONDS = 0.1
PATIENCE_SECONDS = 20.0
THREADS, CALLS = 6, 30

Ask = Callable[[str], object]


@pytest.fixture
def proxy(redis_server: str, redis: Redis) -> Iterator[RedisProxy]:
    made = RedisProxy(redis_server)
    yield made
    made.close()


@pytest.fixture
def client(proxy: RedisProxy) -> Iterator[Redis]:
    """It gives up after `TIMEOUT_SECONDS`."""
    made = connect(proxy.url, socket_timeout=TIMEOUT_SECONDS)
    yield made
    made.close()


def by_script(client: Redis) -> Ask:
    script = Script(client, ECHO)
    return lambda word: script(args=[word])


def by_several(client: Redis) -> Ask:
    script = Script(client, ECHO)
    return lambda word: call_together([Call(script, (), ["first"]), Call(script, (), [word])])[1]


def by_command(client: Redis) -> Ask:
    return lambda word: call(client, "ECHO", word)


def by_pool(client: Redis) -> Ask:
    return client.echo


def by_pipeline(client: Redis) -> Ask:
    def ask(word: str) -> object:
        pipeline = client.pipeline(transaction=False)
        pipeline.echo("first")
        pipeline.echo(word)
        return pipeline.execute()[1]

    return ask


def by_flight(client: Redis) -> Ask:
    script, own = Script(client, ECHO), threading.local()

    def ask(word: str) -> object:
        flight = own.flight = getattr(own, "flight", None) or Flight(client)
        flight.send(Call(script, (), [word]))
        return flight.receive()

    return ask


WAYS = [by_script, by_several, by_command, by_pool, by_pipeline, by_flight]


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_that_comes_too_late_is_nobodys(
    way: Callable[[Redis], Ask], client: Redis, proxy: RedisProxy
) -> None:
    ask = way(client)
    ask("before")

    proxy.hold()
    with pytest.raises(RedisTimeoutError):
        ask("late")
    proxy.release()

    assert [ask(word) for word in ("next", "after")] == [b"next", b"after"]


@pytest.mark.parametrize("way", [way for way in WAYS if way is not by_several])
def test_an_answer_that_breaks_off_is_nobodys(way: Callable[[Redis], Ask], client: Redis, proxy: RedisProxy) -> None:
    ask = way(client)
    ask("before")

    proxy.cut_after(3)
    with pytest.raises(RedisConnectionError):
        ask("broken")

    assert [ask(word) for word in ("next", "after")] == [b"next", b"after"]


def test_scripts_that_go_together_are_called_once_more(client: Redis, proxy: RedisProxy) -> None:
    ask = by_several(client)
    ask("before")

    proxy.cut_after(3)

    assert ask("broken") == b"broken"


@pytest.mark.parametrize("way", WAYS)
def test_every_answer_belongs_to_its_call(way: Callable[[Redis], Ask], client: Redis, proxy: RedisProxy) -> None:
    ask = way(client)
    proxy.misbehave(seed=1, late_seconds=2 * TIMEOUT_SECONDS)

    def ask_often(thread: int) -> list[tuple[bytes, object]]:
        answered: list[tuple[bytes, object]] = []
        for turn in range(CALLS):
            word = f"{thread}-{turn}"
            try:
                answered.append((word.encode(), ask(word)))
            except RedisError:
                continue
        return answered

    with ThreadPoolExecutor(THREADS) as threads:
        answered = [pair for pairs in threads.map(ask_often, range(THREADS)) for pair in pairs]

    assert answered
    assert all(asked == answer for asked, answer in answered)
    in_use = client.connection_pool._in_use_connections
    assert len(in_use) <= 1, "the threads have ended, and only this one's may still be lent"


def test_every_submit_is_told_of_its_own_job(client: Redis, redis: Redis, proxy: RedisProxy) -> None:
    submissions = Submissions(client, Settings().max_waiting, 60)
    prepared = {}
    for _ in range(THREADS * CALLS):
        job_id = submissions.mint_id()
        prepared[job_id] = submissions.prepare(Lane.INTERACTIVE, [build_request(job_id)])
    trips, told, left = RoundTrips(submissions), {}, threading.Semaphore(0)
    proxy.misbehave(seed=2, late_seconds=2 * TIMEOUT_SECONDS)

    def submit(job_id: str) -> None:
        def tell(answer: object, error: Exception | None) -> None:
            told[job_id] = error or prepared[job_id].receipt_of(answer).job_id  # type: ignore[arg-type]
            left.release()

        trips.submit(prepared[job_id], tell)

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(submit, prepared))
    for _ in prepared:
        assert left.acquire(timeout=PATIENCE_SECONDS)

    failed = {job_id for job_id, answer in told.items() if isinstance(answer, QueueUnavailable)}
    assert all(told[job_id] == job_id for job_id in prepared.keys() - failed)
