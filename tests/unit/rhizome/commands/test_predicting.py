"""`rhizome predict` and `batch`: what is sent, what is printed, and how they end."""

import json
from pathlib import Path

import pytest

from tests.support.scripted_server import Behaviour, ScriptedServer, hangs_up, problem, says, sends
from tests.unit.rhizome.commands.conftest import Run

QUEUED = {"id": "a", "status": "queued", "kind": "single", "queue_position": 0}
DONE = {
    "id": "a",
    "status": "succeeded",
    "kind": "single",
    "version": "v1",
    "timings": {"total_ms": 12.345},
    "result": {"label": "setosa", "probabilities": {"setosa": 0.98, "virginica": 2.3570854592930597e-7}},
}
BATCH = {"id": "b", "status": "queued", "kind": "batch", "rows": 2}
BATCH_DONE = BATCH | {
    "status": "succeeded",
    "rows": {"total": 2, "done": 2, "failed": 1},
    "results": [{"value": 1.5}, {"error": {"code": "scoring_failed", "detail": "no"}}],
}


def test_values_are_numbers_flags_null_or_text(server: ScriptedServer, run: Run) -> None:
    server.answers(says(QUEUED, 202), says(DONE))

    run("predict", "a=5.1", "b=-3", "c=true", "d=null", "e=red", 'f="5"', "g=[1]", "h=", "i=x=y")

    assert server.seen[0].document == {
        "a": 5.1,
        "b": -3,
        "c": True,
        "d": None,
        "e": "red",
        "f": "5",
        "g": "[1]",
        "h": "",
        "i": "x=y",
    }


@pytest.mark.parametrize("arguments", [("--json-file", "-"), ("-",), ("--json-file", "sample.json")])
def test_a_sample_comes_as_json(server: ScriptedServer, run: Run, arguments: tuple[str, ...]) -> None:
    server.answers(says(QUEUED, 202), says(DONE))
    Path("sample.json").write_text('{"a": 1}')

    result = run("predict", *arguments, stdin='{"a": 1}')

    assert result.exit_code == 0
    assert server.seen[0].document == {"a": 1}


def test_people_get_aligned_columns(server: ScriptedServer, run: Run) -> None:
    server.answers(says(QUEUED, 202), says(DONE))

    result = run("predict", "a=1")

    assert result.stdout.splitlines() == [
        "status         succeeded",
        "label          setosa",
        "probabilities  setosa     0.98",
        "               virginica  2.357e-07",
        "took           12.3 ms",
        "version        v1",
        "job            a",
    ]
    assert result.stderr == ""


def test_machines_get_one_json_document(server: ScriptedServer, run: Run) -> None:
    server.answers(says(QUEUED, 202), says(DONE))

    result = run("predict", "a=1", "--json")

    assert json.loads(result.stdout) == DONE
    assert result.stderr == ""


def test_options_reach_the_service(server: ScriptedServer, run: Run) -> None:
    server.answers(says(QUEUED, 202))
    given = "--version v1 --priority 0 --deadline-ms 50 --return label --top-k 1 --webhook http://h --no-wait"
    events = "--webhook-event started --webhook-event completed --idempotency-key k"

    result = run("predict", "a=1", *given.split(), *events.split())

    assert result.exit_code == 0
    assert server.seen[0].headers["idempotency-key"] == "k"
    assert server.seen[0].params == {
        "version": "v1",
        "priority": "0",
        "deadline_ms": "50",
        "return": "label",
        "top_k": "1",
        "webhook": "http://h",
        "webhook_events": "started,completed",
    }


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (problem(404, "version_not_found"), 3, "about version_not_found"),
        (problem(410, "job_expired"), 3, "about job_expired"),
        (
            problem(422, "invalid_fields", errors=[{"field": "a", "problem": "is text", "remedy": "send 1"}]),
            4,
            "send 1",
        ),
        (problem(503, "no_champion", retry_after=9), 5, "about no_champion"),
        (problem(429, "lane_full", retry_after=9), 5, "about lane_full"),
        (hangs_up, 5, "does not answer"),
        (problem(409, "idempotency_conflict"), 1, "about idempotency_conflict"),
        (sends(b"<html>"), 1, "is the address right"),
        (says({**DONE, "status": "failed", "result": None, "error": {"code": "c", "detail": "why"}}), 1, ""),
        (says({**DONE, "status": "expired", "result": None}), 1, ""),
    ],
)
def test_the_exit_code_says_what_went_wrong(
    server: ScriptedServer, run: Run, answer: Behaviour, code: int, message: str
) -> None:
    server.answers(answer)

    result = run("predict", "a=1")

    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_prediction_that_does_not_come_in_time_names_its_job(server: ScriptedServer, run: Run) -> None:
    server.answers(says(QUEUED, 202), says(QUEUED))

    result = run("predict", "a=1", "--timeout", "0.2")

    assert result.exit_code == 7
    assert "rhizome result a --wait" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("a",),
        ("=1",),
        ("a=1", "--json-file", "-"),
        ("--json-file", "none.json"),
        ("-",),
        ("a=1", "--priority", "7"),
        ("a=1", "--return", "everything"),
        ("a=1", "--nonsense"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_sends_nothing(
    server: ScriptedServer, run: Run, arguments: tuple[str, ...]
) -> None:
    result = run("predict", *arguments, stdin="[1, 2]")

    assert result.exit_code == 2
    assert "Usage: rhizome predict" in result.stderr
    assert server.seen == []


def test_a_batch_is_sent_awaited_and_saved(server: ScriptedServer, run: Run) -> None:
    Path("rows.csv").write_text("a\n1\n2\n")
    server.answers(says(BATCH, 202), says(BATCH), says(BATCH_DONE), sends(b"value\n1.5\n\n"))

    result = run("batch", "rows.csv", "-o", "out.csv", "--error-threshold", "5")

    assert result.exit_code == 0
    assert Path("out.csv").read_bytes() == b"value\n1.5\n\n"
    assert server.seen[0].headers["content-type"] == "text/csv"
    assert server.seen[0].params == {"error_threshold": "5"}
    assert server.seen[-1].headers["accept"] == "text/csv"
    assert "2 of 2 done, 1 failed" in result.stdout
    assert "1 of 2 rows failed" in result.stderr


def test_without_an_output_the_answers_are_lines_of_json(server: ScriptedServer, run: Run) -> None:
    Path("rows.csv").write_text("a\n1\n2\n")
    server.answers(says(BATCH, 202), says(BATCH_DONE))

    result = run("batch", "rows.csv")

    assert [json.loads(line) for line in result.stdout.splitlines()] == BATCH_DONE["results"]


def test_with_a_format_the_answers_are_printed_in_it(server: ScriptedServer, run: Run) -> None:
    Path("rows.csv").write_text("a\n1\n2\n")
    server.answers(says(BATCH, 202), says(BATCH_DONE), sends(b"value\n1.5\n", Content_Type="text/csv"))

    result = run("batch", "rows.csv", "--format", "csv")

    assert result.stdout == "value\n1.5\n"
    assert server.seen[-1].headers["accept"] == "text/csv"


@pytest.mark.parametrize("output", [(), ("-o", "out.csv")])
def test_a_batch_as_json_is_one_document(server: ScriptedServer, run: Run, output: tuple[str, ...]) -> None:
    Path("rows.csv").write_text("a\n1\n2\n")
    server.answers(says(BATCH, 202), says(BATCH_DONE), sends(b"") if output else says(BATCH_DONE))

    result = run("batch", "rows.csv", "--json", *output)

    document = json.loads(result.stdout)
    assert document["rows"] == {"total": 2, "done": 2, "failed": 1}
    assert ("results" in document) == (not output)


def test_a_failed_batch_is_exit_code_1_and_leaves_no_file(server: ScriptedServer, run: Run) -> None:
    Path("rows.csv").write_text("a\n1\n2\n")
    error = {"code": "too_many_errors", "detail": "more than 0 rows failed"}
    server.answers(says(BATCH, 202), says(BATCH | {"status": "failed", "error": error}))

    result = run("batch", "rows.csv", "-o", "out.csv")

    assert result.exit_code == 1
    assert "too_many_errors: more than 0 rows failed" in result.stdout
    assert not Path("out.csv").exists()


def test_a_file_of_an_unknown_kind_is_refused_with_the_known_ones(server: ScriptedServer, run: Run) -> None:
    Path("rows.txt").write_text("a\n1\n")

    result = run("batch", "rows.txt")

    assert result.exit_code == 4
    assert "parquet" in result.stderr
    assert server.seen == []
