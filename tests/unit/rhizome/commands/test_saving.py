"""Where the answers of a batch go is looked at before there is a job, and no job is hidden by what goes wrong later."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.support.scripted_server import Behaviour, ScriptedServer, Seen, problem, says, sends
from tests.unit.rhizome.commands.conftest import Run

BATCH = {"id": "b", "status": "queued", "kind": "batch", "rows": 2}
BATCH_DONE = BATCH | {"status": "succeeded", "rows": {"total": 2, "done": 2, "failed": 0}}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-o", "out.xlsx"), "says no format"),
        (("-o", "out.csv.gz"), "says no format"),
        (("-o", "out"), "says no format"),
        (("-o", "none/out.csv"), "there is no folder 'none'"),
        (("-o", "rows.csv/out.csv"), "there is no folder 'rows.csv'"),
        (("-o", "."), "is a directory"),
    ],
)
def test_a_place_that_cannot_take_answers_is_refused_before_there_is_a_job(
    server: ScriptedServer, run: Run, arguments: tuple[str, ...], reason: str
) -> None:
    Path("rows.csv").write_text("a\n1\n2\n")

    result = run("batch", "rows.csv", *arguments)

    assert result.exit_code == 2
    assert reason in " ".join(result.stderr.split())
    assert server.seen == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (problem(503, "queue_unavailable", retry_after=900), 5),
        (problem(409, "rows_incomplete"), 1),
        (problem(500, "internal_error"), 1),
        (sends(b"<html>", Content_Type="text/html"), 1),
    ],
)
def test_whatever_goes_wrong_with_a_batch_its_job_is_named(
    server: ScriptedServer, run: Run, answer: Behaviour, code: int
) -> None:
    Path("rows.csv").write_text("a\n1\n2\n")
    server.answers(says(BATCH, 202), says(BATCH_DONE), answer)

    result = run("batch", "rows.csv", "-o", "out.csv")

    assert result.exit_code == code
    assert "rhizome result b --wait" in result.stderr


def test_a_place_that_goes_away_meanwhile_is_one_message_with_the_job(
    server: ScriptedServer, run: Run, tmp_path: Path
) -> None:
    Path("rows.csv").write_text("a\n1\n2\n")
    folder = tmp_path / "out"
    folder.mkdir()

    def finish_without_folder(handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        folder.rmdir()
        says(BATCH_DONE)(handler, seen)

    server.answers(says(BATCH, 202), finish_without_folder, sends(b"value\n"))

    result = run("batch", "rows.csv", "-o", "out/answers.csv")

    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr
    assert "rhizome result b --wait" in result.stderr
    assert isinstance(result.exception, SystemExit), "no trace"
