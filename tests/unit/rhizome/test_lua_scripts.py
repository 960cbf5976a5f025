"""Lua scripts: all are called in one way, on a connection that the thread keeps."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rhizome.connection import connect
from rhizome.job_queue import scripts as queue_scripts
from rhizome.lua_scripts import Call, Flight, Script, write_constants
from rhizome.webhooks import scripts as webhook_scripts
from tests.support.proxy import Proxy
from tests.support.service import eventually

DEADLINE_SECONDS = 5.0
MANY_THREADS = 150  #: more than the connections that redis-py allows a client by itself
LoadScript = Callable[[Redis, str], Script]


def send_and_receive(flight: Flight, call: Call) -> object:
    flight.send(call)
    return flight.receive()


def cut_all_connections(redis: Redis) -> None:
    """All but the one that asks for it."""
    redis.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.parametrize("load", [queue_scripts.load_script, webhook_scripts.load_script])
def test_queue_and_outbox_share_one_loader(redis: Redis, load: LoadScript) -> None:
    depth = load(redis, "depth")

    assert type(depth) is Script


def test_a_script_that_redis_forgot_is_sent_again(redis: Redis) -> None:
    script = Script(redis, "return tonumber(ARGV[1]) + 1")
    redis.script_flush()

    assert [script(args=[1]), script(args=[2])] == [2, 3]


def test_a_script_that_may_run_twice_survives_a_connection_that_was_cut(redis: Redis) -> None:
    script = Script(redis, "return 1", is_repeatable=True)
    script()

    cut_all_connections(redis)

    assert script() == 1


def test_any_other_script_is_not_called_twice(redis: Redis) -> None:
    script = Script(redis, "return 1")
    script()

    cut_all_connections(redis)

    with pytest.raises(RedisConnectionError):
        script()
    assert script() == 1


def test_constants_are_written_as_lua_reads_them(redis: Redis) -> None:
    constants = write_constants({"TEXT": 'it\'s "]]"', "NUMBER": 7, "LIST": ["a", "b"]})

    script = Script(redis, constants + "return {TEXT, NUMBER, LIST}")

    assert script() == [b'it\'s "]]"', 7, [b"a", b"b"]]


def test_an_answer_is_read_when_it_is_wanted_and_other_calls_go_on_meanwhile(redis: Redis) -> None:
    script, flight = Script(redis, "return tonumber(ARGV[1]) + 1"), Flight(redis)

    flight.send(Call(script, (), [1]))

    assert script(args=[5]) == 6
    assert flight.receive() == 2


def test_a_script_that_redis_forgot_is_sent_again_in_flight_too(redis: Redis) -> None:
    script, flight = Script(redis, "return tonumber(ARGV[1]) + 1"), Flight(redis)
    redis.script_flush()

    flight.send(Call(script, (), [1]))

    assert flight.receive() == 2


def test_a_connection_that_is_dropped_again_and_again_does_not_use_up_its_pool(redis: Redis) -> None:
    script, flight = Script(redis, "return 1"), Flight(redis)

    for _ in range(redis.connection_pool.max_connections + 1):
        flight.send(Call(script, (), ()))
        flight.drop()
    flight.send(Call(script, (), ()))

    assert flight.receive() == 1


def test_what_was_sent_is_answered_once(redis: Redis) -> None:
    script, flight = Script(redis, "return 1"), Flight(redis)
    flight.send(Call(script, (), ()))
    flight.receive()

    with pytest.raises(RedisConnectionError):
        flight.receive()


def test_an_answer_that_nobody_wants_any_more_is_not_taken_for_that_of_the_next_call(redis: Redis) -> None:
    script, flight = Script(redis, "return tonumber(ARGV[1])"), Flight(redis)
    flight.send(Call(script, (), [1]))

    flight.drop()
    flight.send(Call(script, (), [2]))

    assert flight.receive() == 2


def test_after_a_connection_was_cut_the_next_call_opens_another(redis: Redis) -> None:
    script, flight = Script(redis, "return tonumber(ARGV[1])"), Flight(redis)
    flight.send(Call(script, (), [1]))
    flight.receive()

    cut_all_connections(redis)
    with pytest.raises(RedisConnectionError):
        send_and_receive(flight, Call(script, (), [2]))
    flight.send(Call(script, (), [3]))

    assert flight.receive() == 3


@pytest.fixture
def own(redis_server: str) -> Iterator[Redis]:
    """A client whose connections can be told from all others."""
    client = connect(f"{redis_server}?client_name=own")
    yield client
    client.close()


def has_open(redis: Redis, most: int) -> bool:
    """Whether at most so many of those connections stay open, as the server sees it."""
    return sum(entry["name"] == "own" for entry in redis.client_list()) <= most


def test_where_one_answer_did_not_come_no_other_connection_is_trusted(redis_server: str) -> None:
    """A firewall that lost its state drops them all; each would cost whoever uses it next a whole wait."""
    url = urlsplit(redis_server)
    with (
        Proxy((str(url.hostname), int(url.port or 0))).running() as proxy,
        closing(connect(redis_server.replace(f":{url.port}", f":{proxy.port}"), socket_timeout=0.5)) as redis,
        ThreadPoolExecutor(1) as another,
    ):
        script = Script(redis, "return 1")
        redis.ping(), script(), another.submit(script).result()
        proxy.forget()

        with pytest.raises(RedisTimeoutError):
            script()

        assert (another.submit(script).result(), redis.ping()) == (1, True)


def test_no_thread_is_refused_a_connection_however_many_call_at_once(own: Redis) -> None:
    script, together = Script(own, "return 1"), threading.Barrier(MANY_THREADS)

    def call_both_ways(_: int) -> object:
        together.wait(DEADLINE_SECONDS)
        return script(), own.ping()

    with ThreadPoolExecutor(MANY_THREADS) as threads:
        answers = list(threads.map(call_both_ways, range(MANY_THREADS)))

    assert answers == [(1, True)] * MANY_THREADS


def test_a_thread_that_ends_gives_its_connection_back(own: Redis, redis: Redis) -> None:
    script = Script(own, "return 1")

    for _ in range(MANY_THREADS):
        thread = threading.Thread(target=script)
        thread.start()
        thread.join()

    assert own.connection_pool._created_connections <= 2  # that of the last thread may be on its way back
    eventually(lambda: has_open(redis, most=1))


def test_a_flight_that_nobody_holds_gives_its_connection_back(own: Redis, redis: Redis) -> None:
    script = Script(own, "return 1")
    redis.script_flush()  # the first is told that there is no such script

    for _ in range(own.connection_pool.max_connections + 1):
        send_and_receive(Flight(own), Call(script, (), ()))

    assert own.connection_pool._created_connections <= 2  # this thread loads the script
    eventually(lambda: has_open(redis, most=1))


def test_what_was_sent_last_is_what_is_received(own: Redis) -> None:
    script, flight = Script(own, "return tonumber(ARGV[1])"), Flight(own)

    flight.send(Call(script, (), [1]))
    flight.send(Call(script, (), [2]))

    assert flight.receive() == 2


def test_a_client_that_is_gone_is_not_kept_by_the_threads_that_called(redis_server: str, redis: Redis) -> None:
    client = connect(f"{redis_server}?client_name=own")
    Script(client, "return 1")()

    del client

    eventually(lambda: has_open(redis, most=0))
