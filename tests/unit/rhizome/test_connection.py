"""Redis clients send a command once, and wait for a bounded time."""

import socket
import threading

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rhizome.connection import CONNECT_TIMEOUT_SECONDS, SOCKET_TIMEOUT_SECONDS, connect
from rhizome.job_queue.claiming import LISTEN_SECONDS


class Listener:
    """Accepts connections, reads what is sent and answers nothing; hangs up where `hang_up` says so."""

    def __init__(self, *, hang_up: bool) -> None:
        self._hang_up = hang_up
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._socket.getsockname()[1]}/0"
        self._held: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                accepted, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            if self._hang_up:
                accepted.close()
            else:
                self._held.append(accepted)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for held in self._held:
            held.close()


def test_a_command_that_fails_is_not_sent_again() -> None:
    listener = Listener(hang_up=True)
    client = connect(listener.url)

    with pytest.raises(RedisConnectionError):
        client.incr("counter")
    client.close()
    listener.close()

    assert listener.connections == 1


def test_an_unanswered_command_fails_in_time() -> None:
    listener = Listener(hang_up=False)
    client = connect(listener.url, socket_timeout=0.05)

    with pytest.raises(RedisTimeoutError):
        client.incr("counter")
    client.close()
    listener.close()

    assert listener.connections == 1


def test_building_a_client_connects_to_nothing() -> None:
    client = connect("redis://127.0.0.1:1/0")

    options = client.connection_pool.connection_kwargs
    assert options["socket_connect_timeout"] == CONNECT_TIMEOUT_SECONDS
    assert options["decode_responses"] is False


def test_the_longest_blocking_read_is_shorter_than_the_socket_timeout() -> None:
    options = connect("redis://127.0.0.1:1/0").connection_pool.connection_kwargs

    assert options["socket_timeout"] > SOCKET_TIMEOUT_SECONDS > LISTEN_SECONDS


def test_replies_are_bytes(redis_server: str) -> None:
    client = connect(redis_server)
    client.set("text", "ü")

    value = client.get("text")
    client.close()

    assert value == "ü".encode()
