"""One attempt against a real receiver: what is sent, and what comes of every way to answer."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

import worker.webhooks.sender as sender_module
from rhizome.embedded_redis import find_free_port
from rhizome.webhooks.addresses import parse_allowances
from rhizome.webhooks.signing import parse_secrets
from tests.support.webhooks import SECRET, Receiver, drip
from worker.webhooks.sender import FORBIDDEN_TARGET, MOST_READ_BYTES, Answer, Sender

BODY = b'{"type":"job.succeeded","data":{"id":"some-job"}}'
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def send(url: str, *, allow: str = "true", seconds: float = 5.0) -> Answer:
    sender = Sender(parse_secrets(SECRET), parse_allowances(allow), seconds)
    return sender.send(url, "some-job_completed", TRACE, BODY)


def test_a_message_is_signed_and_traced(receiver: Receiver) -> None:
    answer = send(f"{receiver.url}?token=a%20b")

    (message,) = receiver.messages  # the receiver has checked the signature
    assert answer == Answer(204)
    assert message.path == "/hooks?token=a%20b"
    assert message.body == {"type": "job.succeeded", "data": {"id": "some-job"}}
    assert message.headers["webhook-id"] == "some-job_completed"
    assert abs(int(message.headers["webhook-timestamp"]) - time.time()) < 60
    assert message.headers["content-type"] == "application/json"
    version, trace, span, flags = message.headers["traceparent"].split("-")
    assert (version, trace, len(span), flags) == ("00", TRACE, 16, "01")


def test_every_attempt_is_a_span_of_its_own(receiver: Receiver) -> None:
    for _ in range(2):
        send(receiver.url)

    assert len({message.headers["traceparent"] for message in receiver.messages}) == 2


@pytest.mark.parametrize("status", [200, 400, 404, 410, 429, 500, 503])
def test_the_status_is_told(receiver: Receiver, status: int) -> None:
    receiver.statuses, receiver.headers = [status], {"Retry-After": "7"}

    assert send(receiver.url) == Answer(status, retry_after="7")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.statuses, receiver.headers = [status], {"Location": receiver.url + "/elsewhere"}

    assert send(receiver.url).status == status
    assert [message.path for message in receiver.messages] == ["/hooks"]


def test_an_address_that_is_not_public_gets_no_message(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]

    assert send(f"http://127.0.0.1:{port}", allow="false") == Answer(error=FORBIDDEN_TARGET)
    assert send(f"http://localtest.example:{port}", allow="false").error == "unknown_host"
    assert receiver.messages == []


def test_a_name_that_resolves_to_this_machine_gets_no_message(receiver: Receiver) -> None:
    sender = Sender(parse_secrets(SECRET), parse_allowances("false"), 5.0, lambda host, port: ["127.0.0.1"])

    answer = sender.send(receiver.url.replace("127.0.0.1", "receiver.example"), "id", TRACE, BODY)

    assert answer == Answer(error="forbidden_address")
    assert receiver.messages == []


def test_the_host_header_keeps_the_name(receiver: Receiver) -> None:
    sender = Sender(parse_secrets(SECRET), parse_allowances("true"), 5.0, lambda host, port: ["127.0.0.1"])

    sender.send(receiver.url.replace("127.0.0.1", "receiver.example"), "id", TRACE, BODY)

    (message,) = receiver.messages
    assert message.headers["host"] == f"receiver.example:{receiver.url.rpartition(':')[2].partition('/')[0]}"


def test_a_proxy_of_the_environment_is_ignored(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{find_free_port()}")

    assert send(receiver.url).status == 204


def test_a_receiver_that_does_not_answer_in_time_is_left(receiver: Receiver) -> None:
    receiver.hold.clear()

    begun = time.monotonic()
    answer = send(receiver.url, seconds=0.3)

    assert answer == Answer(error="timeout")
    assert time.monotonic() - begun < 10


def test_a_receiver_that_answers_a_byte_at_a_time_is_left(receiver: Receiver) -> None:
    receiver.respond = drip

    begun = time.monotonic()
    answer = send(receiver.url, seconds=0.5)

    assert answer == Answer(error="timeout")
    assert time.monotonic() - begun < 8


def test_nobody_there_is_told() -> None:
    assert send(f"http://127.0.0.1:{find_free_port()}/") == Answer(error="connect_failed")


def test_an_answer_that_is_no_http_is_told(receiver: Receiver) -> None:
    receiver.respond = lambda handler: handler.connection.sendall(b"220 mail.example ESMTP\r\n\r\n") or None

    assert send(receiver.url) == Answer(error="bad_response")


def test_a_connection_that_is_cut_is_told(receiver: Receiver) -> None:
    receiver.respond = lambda handler: handler.connection.close()

    assert send(receiver.url).error in ("bad_response", "connection_lost")


def test_a_server_that_speaks_no_tls_is_told(receiver: Receiver) -> None:
    assert send(receiver.url.replace("http://", "https://")) == Answer(error="tls_failed")


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A certificate for `receiver.example` that this process trusts, with its key in the same file."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate, and is not installed")
    path = tmp_path / "certificate.pem"
    names = ["-subj", "/CN=receiver.example", "-addext", "subjectAltName=DNS:receiver.example"]
    files = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(path), "-out", str(tmp_path / "public.pem")]
    subprocess.run(["openssl", "req", "-x509", *files, *names], check=True, capture_output=True, timeout=60)
    public = (tmp_path / "public.pem").read_text()
    path.write_text(path.read_text() + public)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "public.pem"))
    sender_module._trust.cache_clear()
    yield path
    sender_module._trust.cache_clear()


@pytest.mark.parametrize(("name", "answer"), [("receiver", Answer(204)), ("other", Answer(error="tls_failed"))])
def test_the_certificate_must_be_for_the_name_in_the_url(certificate: Path, name: str, answer: Answer) -> None:
    sender = Sender(parse_secrets(SECRET), parse_allowances("true"), 5.0, lambda host, port: ["127.0.0.1"])

    with Receiver(certificate=certificate).running() as receiver:
        url = receiver.url.replace("127.0.0.1", f"{name}.example")
        assert url.startswith("https://")
        assert sender.send(url, "id", TRACE, BODY) == answer
        assert len(receiver.messages) == (name == "receiver")


def endless_body(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.sendall(b"HTTP/1.1 500 No\r\n\r\n")
    for _ in range(10_000):
        handler.connection.sendall(b"never mind " * 1000)


def test_of_a_body_without_end_only_the_beginning_is_read(receiver: Receiver) -> None:
    receiver.respond = endless_body

    begun = time.monotonic()
    answer = send(receiver.url, seconds=20)

    assert answer.status == 500
    assert answer.said == ("never mind " * 1000)[:MOST_READ_BYTES]
    assert time.monotonic() - begun < 15


def test_a_body_that_never_ends_does_not_undo_a_good_status(receiver: Receiver) -> None:
    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nha")
        time.sleep(1)

    receiver.respond = half

    answer = send(receiver.url, seconds=0.5)

    assert (answer.status, answer.error, answer.said) == (200, "", "ha")
