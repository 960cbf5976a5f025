"""The load generator, closed loop and open, against a small real server that answers well or badly."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.arrivals import NEVER_ENDED, ArrivalGenerator
from benchmarks.ceiling_app import LABEL_OF_BODY
from benchmarks.generator import Generator
from benchmarks.place import ROOT
from benchmarks.tally import LoadResult
from benchmarks.user import Mode

Reply = tuple[int, dict[str, object] | None]
Answerer = Callable[[str, str], Reply]


def succeed(label: str) -> Reply:
    return 200, {"id": label, "status": "succeeded", "result": {"label": label, "probabilities": {label: 1.0}}}


def queue(label: str) -> Reply:
    return 202, {"id": label, "status": "queued"}


@contextmanager
def serve(answer: Answerer) -> Iterator[int]:
    """Serves `answer(method, label)` on a free port; a body of None closes the connection unanswered."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._reply(*answer("POST", LABEL_OF_BODY[body]))

        def do_GET(self) -> None:
            self._reply(*answer("GET", self.path.partition("?")[0].rpartition("/")[2]))

        def _reply(self, status: int, content: dict[str, object] | None) -> None:
            if content is None:
                self.close_connection = True
                return
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def put_load(answer: Answerer, mode: Mode) -> LoadResult:
    with serve(answer) as port:
        return Generator(port, users=3, mode=mode, warmup_seconds=0.05, seconds=0.25).run()


def test_a_waiting_user_needs_one_request_a_job():
    result = put_load(lambda _, label: succeed(label), Mode.WAIT)

    assert result.errors == {}
    assert result.jobs_measured > 0
    assert result.requests == result.jobs_finished


def test_a_polling_user_asks_until_the_job_is_final():
    looks: dict[int, int] = {}

    def answer(method: str, label: str) -> Reply:
        if method == "POST":
            looks[threading.get_ident()] = 0
            return queue(label)
        looks[threading.get_ident()] += 1
        return succeed(label) if looks[threading.get_ident()] == 3 else (200, {"id": label, "status": "running"})

    result = put_load(answer, Mode.POLL)

    assert result.errors == {}
    assert result.requests == 4 * result.jobs_finished
    assert result.p50_ms >= 2 + 3  # the two pauses between three looks


def test_a_wait_that_was_not_granted_goes_on_at_the_result():
    result = put_load(lambda method, label: queue(label) if method == "POST" else succeed(label), Mode.WAIT)

    assert result.errors == {}
    assert result.requests == 2 * result.jobs_finished


def test_someone_elses_answer_is_counted_as_wrong():
    result = put_load(lambda _, __: succeed("setosa"), Mode.WAIT)

    assert set(result.errors) == {"wrong_answer"}
    assert result.jobs_finished > 0


def test_errors_are_counted_by_kind_and_the_users_go_on():
    replies = iter([(429, {}), (200, {"id": "1", "status": "failed"}), (200, {"unknown": 1}), (200, None)])

    result = put_load(lambda _, label: next(replies, None) or succeed(label), Mode.WAIT)

    assert result.errors == {"http_429": 1, "job_failed": 1, "unreadable": 1, "disconnected": 1}
    assert result.connections == 3 + 2
    assert result.jobs_measured > 0


def test_a_server_that_is_gone_ends_no_run():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        generator = Generator(listener.getsockname()[1], users=1, mode=Mode.POLL, warmup_seconds=0.0, seconds=0.1)
        listener.accept()[0].close()

    result = generator.run()

    assert result.jobs_finished == 0
    assert result.errors["not_connected"] > 0


def put_arrivals(answer: Answerer, rate: float, connections: int, seconds: float) -> LoadResult:
    with serve(answer) as port:
        return ArrivalGenerator(rate, port, connections, Mode.WAIT, warmup_seconds=0.05, seconds=seconds).run()


def test_arrivals_come_at_their_rate_whatever_the_number_of_connections():
    result = put_arrivals(lambda _, label: succeed(label), rate=200, connections=8, seconds=1.0)

    assert result.errors == {}
    assert 140 <= result.jobs_per_second <= 260  # Poisson, from a fixed seed: 200 give or take 14
    assert result.jobs_measured == result.arrivals_per_second * 1.0  # seconds: whoever came was answered
    assert 1 <= result.connections <= 8


def test_a_stall_is_felt_by_every_job_that_was_to_arrive_in_it():
    stalls_until = time.monotonic() + 0.5

    def answer(_: str, label: str) -> Reply:
        time.sleep(max(0.0, stalls_until - time.monotonic()))
        return succeed(label)

    result = put_arrivals(answer, rate=100, connections=1, seconds=0.9)

    assert result.errors == {}
    assert result.jobs_measured > 60
    assert result.p50_ms > 10  # a generator that waits for its answer would have sent, and felt, one slow job
    assert result.p95_ms > 300


def test_what_is_never_answered_counts_with_its_age(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmarks.generator.DRAIN_SECONDS", 0.2)

    def answer(_: str, label: str) -> Reply:
        time.sleep(0.6)
        return succeed(label)

    result = put_arrivals(answer, rate=50, connections=1, seconds=0.3)

    assert result.errors[NEVER_ENDED] > 3
    assert result.p50_ms > 200
    assert result.jobs_per_second == 0


def test_the_command_prints_one_object_for_users_and_for_arrivals():
    found = []
    with serve(lambda _, label: succeed(label)) as port:
        for options in ((), ("--rate", "50")):
            words = ("--port", str(port), "--users", "4", "--warmup", "0.1", "--seconds", "0.5", *options)
            command = [sys.executable, "-m", "benchmarks.load", *words]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=30)
            found.append(json.loads(done.stdout))

    closed, arriving = found
    assert closed["errors"] == arriving["errors"] == {}
    assert closed["generator_delay_p99_ms"] == 0 < arriving["generator_delay_p99_ms"]
