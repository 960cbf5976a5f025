"""A download that breaks goes on where it broke, and a file appears when it is whole."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from rhizome.client import Client, Conflict, InvalidInput, Unavailable, UnexpectedAnswer
from tests.support.scripted_server import (
    Behaviour,
    ScriptedServer,
    Seen,
    breaks_off,
    hangs_up,
    problem,
    says,
    sends,
    takes,
)
from tests.unit.rhizome.client.conftest import Call

CONTENT = bytes(range(256)) * 2000
ETAG = '"one"'


def serves_ranges(content: bytes, etag: str) -> Any:
    """A file that can be asked for from anywhere, as long as it is the same."""

    def behave(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        if seen.headers.get("if-range") == etag:
            start = int(seen.headers["range"].removeprefix("bytes=").removesuffix("-"))
            sends(content[start:], 206, ETag=etag)(handler, seen)
        else:
            sends(content, ETag=etag)(handler, seen)

    return behave


@pytest.mark.parametrize(
    ("name", "format", "accept"),
    [
        ("a.csv", None, "text/csv"),
        ("a.ndjson", None, "application/x-ndjson"),
        ("a.parquet", None, "application/vnd.apache.parquet"),
        ("a", "csv", "text/csv"),
    ],
)
def test_the_format_follows_the_files_name(
    server: ScriptedServer, call: Call, tmp_path: Path, name: str, format: str | None, accept: str
) -> None:
    server.answers(sends(CONTENT))

    path = call("download", "b", tmp_path / name, format)

    assert path.read_bytes() == CONTENT
    assert server.seen[0].headers["accept"] == accept
    assert list(tmp_path.iterdir()) == [path]


def test_a_broken_download_is_taken_up(server: ScriptedServer, call: Call, tmp_path: Path) -> None:
    broken = breaks_off(CONTENT[:100_000], len(CONTENT), ETag=ETAG)
    server.answers(broken, hangs_up, problem(503, "queue_unavailable", retry_after=0), serves_ranges(CONTENT, ETAG))

    path = call("download", "b", tmp_path / "a.csv")

    assert path.read_bytes() == CONTENT
    assert server.seen[-1].headers["range"] == "bytes=100000-"


def test_a_file_that_has_changed_since_is_taken_from_its_beginning(
    server: ScriptedServer, call: Call, tmp_path: Path
) -> None:
    server.answers(breaks_off(b"old" * 1000, 100_000, ETag='"other"'), serves_ranges(CONTENT, ETAG))

    assert call("download", "b", tmp_path / "a.csv").read_bytes() == CONTENT


def test_a_file_without_a_tag_is_taken_from_its_beginning(server: ScriptedServer, call: Call, tmp_path: Path) -> None:
    server.answers(breaks_off(CONTENT[:1000], len(CONTENT)), sends(CONTENT))

    assert call("download", "b", tmp_path / "a.csv").read_bytes() == CONTENT
    assert "range" not in server.seen[1].headers


def test_a_file_in_the_making_is_waited_for(server: ScriptedServer, call: Call, tmp_path: Path) -> None:
    in_the_making = problem(409, "export_not_ready", retry_after=0)
    server.answers(problem(503, "not_ready", retry_after=0), in_the_making, says({}, 202), sends(CONTENT))

    assert call("download", "b", tmp_path / "a.parquet").read_bytes() == CONTENT


def test_nothing_is_left_of_a_download_that_fails(server: ScriptedServer, call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("from yesterday")
    server.answers(problem(409, "job_not_finished"))

    with pytest.raises(Conflict):
        call("download", "b", tmp_path / "a.csv")

    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "from yesterday"


def test_a_download_that_never_ends_is_given_up(server: ScriptedServer, call: Call, tmp_path: Path) -> None:
    server.answers(breaks_off(b"x", 10))

    with pytest.raises(Unavailable):
        call("download", "b", tmp_path / "a.csv", timeout=0.5)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("etag", [{}, {"ETag": ETAG}], ids=["from the beginning", "taken up"])
def test_a_download_that_breaks_at_the_same_place_is_an_outage(
    server: ScriptedServer, call: Call, tmp_path: Path, etag: dict[str, str]
) -> None:
    def breaks_at_1000(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        is_rest = "range" in seen.headers
        breaks_off(b"" if is_rest else b"x" * 1000, 5000, 206 if is_rest else 200, **etag)(handler, seen)

    server.answers(breaks_at_1000)
    begun = time.monotonic()

    with pytest.raises(Unavailable):
        call("download", "b", tmp_path / "a.csv", timeout_seconds=0.5)

    assert time.monotonic() - begun < 5
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_grows_is_no_outage_however_often_it_breaks(
    server: ScriptedServer, call: Call, tmp_path: Path
) -> None:
    def breaks_after_each_quarter(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        start = int(seen.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        rest = CONTENT[start:]
        answer = breaks_off(rest[: len(CONTENT) // 4], len(rest), 206 if start else 200, ETag=ETAG)
        takes(0.2, answer)(handler, seen)

    server.answers(breaks_after_each_quarter)

    assert call("download", "b", tmp_path / "a.csv", timeout_seconds=0.7).read_bytes() == CONTENT


def test_a_file_that_trickles_ends_with_the_callers_time(server: ScriptedServer, call: Call, tmp_path: Path) -> None:
    def trickles(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        breaks_off(b"x", 10_000)(handler, seen)
        for _ in range(100):
            time.sleep(0.1)
            handler.wfile.write(b"x")
            handler.wfile.flush()

    server.answers(trickles)
    begun = time.monotonic()

    with pytest.raises(Unavailable, match="before the file is whole"):
        call("download", "b", tmp_path / "a.csv", timeout=0.5)

    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "answer",
    [sends(b"<html>log in</html>", Content_Type="text/html; charset=utf-8"), sends(b"", 302, Location="/login")],
)
def test_an_answer_of_something_else_is_no_file(
    server: ScriptedServer, call: Call, tmp_path: Path, answer: Behaviour
) -> None:
    server.answers(answer)

    with pytest.raises(UnexpectedAnswer, match="is the address right"):
        call("download", "b", tmp_path / "a.csv")

    assert len(server.seen) == 1
    assert list(tmp_path.iterdir()) == []


def test_two_downloads_to_one_file_do_not_meet(server: ScriptedServer, call: Call, tmp_path: Path) -> None:
    is_first_begun = threading.Event()

    def waits_within(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        breaks_off(b"first", len(b"first and last"))(handler, seen)
        handler.wfile.flush()
        is_first_begun.set()
        time.sleep(0.5)
        handler.wfile.write(b" and last")

    server.answers(waits_within, sends(b"second"))
    first = threading.Thread(target=call, args=("download", "b", tmp_path / "a.csv"))
    first.start()
    assert is_first_begun.wait(10)

    second = call("download", "b", tmp_path / "a.csv").read_bytes()
    first.join()

    assert second == b"second"
    assert (tmp_path / "a.csv").read_bytes() == b"first and last"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_interrupted_download_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> Iterator[bytes]:
        yield b"some"
        raise KeyboardInterrupt

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=interrupted()))

    with Client("http://service", transport=transport) as client, pytest.raises(KeyboardInterrupt):
        client.download("b", tmp_path / "a.csv")

    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_with_the_known_ones(server: ScriptedServer, call: Call, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="csv, ndjson, jsonl, parquet"):
        call("download", "b", tmp_path / "a.xlsx")


def test_a_batch_whose_answers_go_to_a_file_holds_none_in_memory(
    server: ScriptedServer, call: Call, tmp_path: Path
) -> None:
    rows = {"total": 2, "done": 2, "failed": 0}
    finished = {"id": "b", "status": "succeeded", "kind": "batch", "rows": rows, "results": []}
    server.answers(says({"id": "b", "status": "queued", "rows": 2}, 202), says(finished), sends(CONTENT))

    result = call("predict_batch", [{"size": 1.0}] * 2, output=tmp_path / "a.csv")

    assert result.answers is None
    assert Path(result.path).read_bytes() == CONTENT
    assert server.seen[1].params["limit"] == "1"
    with pytest.raises(ValueError, match=r"a\.csv"):
        result.to_pandas()
