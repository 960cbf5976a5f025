"""Many samples are sent in the form that suits them, and their answers come back page by page."""

import gzip
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from rhizome.client import Answer, Conflict, InvalidInput, JobFailed, RowCounts, batch_calls
from rhizome.client.tables import flatten
from tests.support.scripted_server import ScriptedServer, Seen, hangs_up, problem, says
from tests.unit.rhizome.client.conftest import Call

QUEUED = {"id": "b", "status": "queued", "kind": "batch", "rows": 2}
LABELS = ["cold", "warm", "warm"]


def done(labels: list[str], total: int | None = None, **facts: Any) -> dict[str, Any]:
    rows = {"total": len(labels) if total is None else total, "done": total or len(labels), "failed": 0}
    results = [{"label": label} for label in labels]
    return {"id": "b", "status": "succeeded", "kind": "batch", "rows": rows, "results": results, **facts}


def pages_of(labels: list[str], page_rows: int) -> Any:
    """A finished batch that gives `page_rows` answers at a time."""

    def behave(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        offset = int(seen.params.get("offset", 0))
        says(done(labels[offset : offset + page_rows], len(labels)))(handler, seen)

    return behave


def test_a_batch_is_submitted_waited_for_and_answered(server: ScriptedServer, call: Call) -> None:
    server.answers(says(QUEUED, 202), says(QUEUED), says(done(["cold", "warm"], version="v1")))

    result = call("predict_batch", [{"size": 1.0}, {"size": np.nan}], error_threshold=0)

    assert [answer.label for answer in result.answers] == ["cold", "warm"]
    assert (result.version, result.rows) == ("v1", RowCounts(2, 2, 0))
    assert server.seen[0].document == {"instances": [{"size": 1.0}, {"size": None}]}
    assert server.seen[0].params == {"error_threshold": "0"}


def test_answers_are_fetched_page_by_page(server: ScriptedServer, call: Call) -> None:
    server.answers(pages_of(LABELS, 2))

    result = call("predict_batch", [{"size": 1.0}] * 3)
    rows = call("rows", "b", offset=1, page_rows=1)

    assert [answer.label for answer in result.answers] == LABELS
    assert [answer.label for answer in rows] == LABELS[1:]
    assert server.seen[-1].params == {"offset": "1", "limit": "1"}


def test_more_rows_than_one_document_holds_are_streamed_as_lines(
    server: ScriptedServer, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_calls, "MAX_JSON_ROWS", 2)
    server.answers(hangs_up, says(QUEUED, 202))
    sizes = np.arange(50_000.0)

    call("submit_batch", {"size": sizes})

    assert server.seen[0].body == server.seen[1].body
    assert server.seen[1].headers["content-type"] == "application/x-ndjson"
    assert server.seen[1].headers["transfer-encoding"] == "chunked"
    lines = server.seen[1].body.splitlines()
    assert [msgspec.json.decode(line)["size"] for line in lines] == sizes.tolist()


def test_a_document_that_is_too_large_for_this_service_is_sent_as_lines(server: ScriptedServer, call: Call) -> None:
    server.answers(problem(413, "body_too_large"), says(QUEUED, 202))

    assert call("submit_batch", [{"size": 1.0}] * 2).id == "b"

    assert server.seen[1].body == b'{"size":1.0}\n{"size":1.0}\n'


@pytest.mark.parametrize(
    ("name", "content_type", "encoding"),
    [
        ("rows.csv", "text/csv", None),
        ("rows.ndjson", "application/x-ndjson", None),
        ("rows.JSONL", "application/x-ndjson", None),
        ("rows.parquet", "application/vnd.apache.parquet", None),
        ("rows.csv.gz", "text/csv", "gzip"),
        ("rows.ndjson.zst", "application/x-ndjson", "zstd"),
    ],
)
def test_a_file_is_sent_as_it_lies_there(
    server: ScriptedServer, call: Call, tmp_path: Path, name: str, content_type: str, encoding: str | None
) -> None:
    content = gzip.compress(b"size\n1.0\n" * 100_000) + bytes(600_000)
    (tmp_path / name).write_bytes(content)
    server.answers(hangs_up, says(QUEUED, 202))

    call("submit_batch", tmp_path / name, progress=True)

    assert [seen.body == content for seen in server.seen] == [True, True]
    assert server.seen[1].headers["content-length"] == str(len(content))
    assert server.seen[1].headers["content-type"] == content_type
    assert server.seen[1].headers.get("content-encoding") == encoding


@pytest.mark.parametrize(("name", "problem_part"), [("rows.txt", "is 'txt'"), ("none.csv", "cannot be read")])
def test_a_file_that_cannot_be_sent_is_refused_by_name(
    server: ScriptedServer, call: Call, tmp_path: Path, name: str, problem_part: str
) -> None:
    (tmp_path / "rows.txt").write_text("size\n1\n")

    with pytest.raises(InvalidInput, match=problem_part):
        call("submit_batch", str(tmp_path / name))

    assert server.seen == []


def test_failed_rows_are_answers_and_a_failed_job_is_an_error(server: ScriptedServer, call: Call) -> None:
    failure = {"error": {"code": "invalid_row", "field": "size", "problem": "is text", "remedy": "x"}, "line": 3}
    mixed = done(["cold"]) | {"results": [{"label": "cold"}, failure], "rows": {"total": 2, "done": 2, "failed": 1}}
    server.answers(says(mixed), says({**QUEUED, "status": "failed", "error": {"code": "too_many_errors"}}))

    answers = call("predict_batch", [{"size": 1.0}] * 2).answers

    assert (answers[1].label, answers[1].line, answers[1].error.field) == (None, 3, "size")
    with pytest.raises(JobFailed):
        call("predict_batch", [{"size": 1.0}] * 2)


def test_rows_of_an_unfinished_job_are_a_conflict(server: ScriptedServer, call: Call) -> None:
    server.answers(says(QUEUED))

    with pytest.raises(Conflict, match="wait for it first"):
        call("rows", "b")


def test_answers_become_a_frame_with_one_column_for_each_class(server: ScriptedServer, call: Call) -> None:
    results = [
        {"label": "warm", "probabilities": {"warm": 0.75, "cold": 0.25}},
        {"error": {"code": "c", "detail": "d"}},
    ]
    server.answers(says(done(["", ""]) | {"results": results}))

    frame = call("predict_batch", [{"size": 1.0}] * 2).to_pandas()

    assert list(frame.columns) == ["label", "probability_warm", "probability_cold", "error"]
    assert frame["probability_cold"][0] == 0.25
    assert frame["error"][1] == "d"


def test_several_outputs_are_told_apart() -> None:
    document = b'{"outputs": {"kind": {"label": 1, "probabilities": {"0": 0.5}}, "size": {"value": 2.5}}}'

    answer = msgspec.json.decode(document, type=Answer)

    assert flatten(answer) == {"kind_label": 1, "kind_probability_0": 0.5, "size_value": 2.5}
