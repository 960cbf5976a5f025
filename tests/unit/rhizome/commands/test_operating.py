"""`rhizome result`, `cancel`, `health`, `models`, the orders over HTTP, and what the command itself says."""

import json
import os
from pathlib import Path

import pytest

from rhizome.cli import COMMANDS, load_command
from rhizome.commands.environment import find_admin_key, find_service_url
from rhizome.runfile import Run as RunNote
from rhizome.runfile import write_run
from tests.support.scripted_server import ScriptedServer, problem, says, sends
from tests.unit.rhizome.commands.conftest import Run

QUEUED = {"id": "a", "status": "queued", "kind": "single"}
DONE = {"id": "a", "status": "succeeded", "kind": "single", "result": {"value": 2.5}}
HEALTH = {
    "status": "degraded",
    "problems": ["not every worker process serves v2 yet"],
    "champion": {"version": "v2"},
    "workers": {
        "living": 1,
        "processes": [{"host": "h", "pid": 7, "lane": "batch", "state": "serving", "version": "v1"}],
    },
    "queue": {"interactive": {"waiting": 0, "in_flight": 3}, "dead_letters": 0},
    "latency": {"p50_ms": 1.5, "p95_ms": 2.5, "p99_ms": None, "jobs": 9, "window_seconds": 300},
    "training": {"state": "idle", "last": {"outcome": "promoted", "version": "v2"}},
}


def test_a_result_is_shown_as_it_stands(server: ScriptedServer, run: Run) -> None:
    server.answers(says(QUEUED))

    result = run("result", "a")

    assert result.exit_code == 0
    assert result.stdout == "status  queued\njob     a\n"
    assert server.seen[0].params == {}


def test_a_result_is_waited_for(server: ScriptedServer, run: Run) -> None:
    server.answers(says(QUEUED), says(DONE))

    result = run("result", "a", "--wait", "5", "--json")

    assert json.loads(result.stdout) == DONE


def test_the_answers_of_an_unfinished_job_cannot_be_saved(server: ScriptedServer, run: Run) -> None:
    server.answers(says(QUEUED))

    result = run("result", "a", "-o", "out.csv")

    assert result.exit_code == 1
    assert "add --wait SECONDS" in result.stderr
    assert not Path("out.csv").exists()


def test_a_place_that_cannot_take_answers_is_refused_before_the_wait(server: ScriptedServer, run: Run) -> None:
    assert run("result", "a", "--wait", "5", "-o", "out.xlsx").exit_code == 2
    assert run("result", "a", "--wait", "5", "-o", "none/out.csv").exit_code == 2
    assert server.seen == []


def test_saved_answers_keep_the_names_format(server: ScriptedServer, run: Run) -> None:
    server.answers(says(DONE), sends(b"PAR1"))

    run("result", "a", "-o", "out.parquet")

    assert Path("out.parquet").read_bytes() == b"PAR1"
    assert server.seen[1].headers["accept"] == "application/vnd.apache.parquet"


def test_cancelling_says_how_the_job_stands(server: ScriptedServer, run: Run) -> None:
    server.answers(says({"id": "a", "status": "cancelled", "kind": "single"}), problem(409, "job_finished"))

    assert "cancelled" in run("cancel", "a").stdout
    assert run("cancel", "a").exit_code == 1


def test_purging_says_what_is_gone(server: ScriptedServer, run: Run) -> None:
    server.answers(says({}, status=204), problem(410, "job_expired"))

    result = run("cancel", "a", "--purge")

    assert (result.exit_code, "purged" in result.stdout) == (0, True)
    assert (server.seen[0].path, server.seen[0].params) == ("/result/a", {"purge": "true"})
    assert run("cancel", "a", "--purge").exit_code == 3


def test_health_is_a_page_for_people(server: ScriptedServer, run: Run) -> None:
    server.answers(says(HEALTH))

    result = run("health")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "status    degraded",
        "problems  not every worker process serves v2 yet",
        "champion  v2",
        "workers   h:7  batch  serving  v1",
        "queue     interactive  0 waiting  3 in flight",
        "latency   p50 1.5 ms, p95 2.5 ms, p99 None ms (9 jobs in 300 s)",
        "training  idle, last: promoted v2",
    ]


def test_health_of_a_service_that_cannot_answer_is_exit_code_5(server: ScriptedServer, run: Run) -> None:
    document = {"status": "unavailable", "problems": ["Redis does not answer"], "redis": {"reachable": False}}
    server.answers(says(document, 503))

    people, machines = run("health"), run("health", "--json")

    assert people.exit_code == machines.exit_code == 5
    assert "Redis does not answer" in people.stdout
    assert json.loads(machines.stdout) == document


def test_models_are_a_table_with_the_champion_marked(server: ScriptedServer, run: Run) -> None:
    facts = {"created_at": "2026-11-23T20:57:58.1+00:00", "gate": {"passed": True}, "rejected": None}
    versions = [
        {"version": "v2", "is_champion": True, "metrics": {"accuracy": 0.96428, "accuracy_low": 0.9}, **facts},
        {"version": "v1", "is_champion": False, "metrics": {}, **facts, "gate": {}},
    ]
    server.answers(says({"name": "iris", "champion": "v2", "versions": versions}))

    name, *lines = run("models").stdout.splitlines()

    assert name == "model iris"
    assert lines[0].split() == ["version", "created", "gate", "accuracy"]
    assert lines[1].split() == ["*", "v2", "2026-11-23T20:57:58", "passed", "0.9643"]
    assert lines[2].split() == ["v1", "2026-11-23T20:57:58", "refused"]


def test_orders_over_http_carry_the_admin_key(
    server: ScriptedServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHIZOME_ADMIN_KEY", "from-the-environment")
    pointer = {"version": "v1", "previous": "v2", "promoted_at": "now", "model": "iris"}
    server.answers(says({"model": "iris", "run_id": "r", "status": "queued"}, 202), says(pointer))

    trained = run("train", "--url", server.url)
    promoted = run("promote", "v1", "--url", server.url, "--json")
    rolled_back = run("rollback", "--url", server.url)

    assert trained.stdout == "run id  r\nstatus  queued\nmodel   iris\n"
    assert json.loads(promoted.stdout) == pointer
    assert "v1" in rolled_back.stdout
    assert [seen.path for seen in server.seen] == ["/retrain", "/models/v1/promote", "/models/rollback"]
    assert {seen.headers["authorization"] for seen in server.seen} == {"Bearer from-the-environment"}


@pytest.mark.parametrize(
    ("answer", "code"), [(problem(401, "admin_key_required"), 6), (problem(409, "promotion_refused"), 3)]
)
def test_refused_orders_have_their_own_exit_codes(server: ScriptedServer, run: Run, answer: object, code: int) -> None:
    server.answers(answer)  # type: ignore[arg-type]

    assert run("promote", "v1", "--url", server.url).exit_code == code


def test_orders_go_where_the_environment_points(server: ScriptedServer, run: Run) -> None:
    pointer = {"version": "v1", "previous": "v2", "promoted_at": "now"}
    server.answers(says({"run_id": "r", "status": "queued"}, 202), says(pointer))

    codes = [run("train").exit_code, run("promote", "v1").exit_code, run("rollback").exit_code]

    assert codes == [0, 0, 0]
    assert [seen.path for seen in server.seen] == ["/retrain", "/models/v1/promote", "/models/rollback"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--force"),
        ("train", "--no-promote"),
        ("train", "--allow-new-schema"),
        ("promote", "v1", "--force"),
    ],
)
@pytest.mark.parametrize("is_url_given", [True, False])
def test_what_only_works_beside_the_service_is_refused_over_http(
    server: ScriptedServer, run: Run, arguments: tuple[str, ...], is_url_given: bool
) -> None:
    result = run(*arguments, *(["--url", server.url] if is_url_given else []))

    assert result.exit_code == 2
    assert f"{arguments[-1]} is for the operator beside the service" in " ".join(result.stderr.split())
    assert server.seen == []


def test_without_an_address_orders_act_beside_the_service(
    server: ScriptedServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RHIZOME_URL")

    result = run("rollback")

    assert result.exit_code == 1
    assert "no service runs in this folder" in result.stderr
    assert server.seen == []


def test_the_key_of_this_folder_is_shown_to_its_own_service_alone(
    server: ScriptedServer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "admin_key").write_text("made at the first start\n")
    answer = says({"run_id": "r", "status": "queued"}, 202)
    server.answers(answer)

    run("train")
    write_run(tmp_path / "var", RunNote(os.getpid(), "redis://", "http://127.0.0.1:8123"))
    run("train")
    write_run(tmp_path / "var", RunNote(os.getpid(), "redis://", server.url))
    run("train", "--url", f"{server.url}/")
    monkeypatch.setenv("RHIZOME_ADMIN_KEY", "from-the-environment")
    run("train")

    keys = [seen.headers.get("authorization") for seen in server.seen]
    assert keys == [None, None, "Bearer made at the first start", "Bearer from-the-environment"]


def test_the_service_and_its_key_are_found_in_this_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RHIZOME_URL")
    assert find_service_url(None) is None
    assert find_admin_key(None) is None
    (tmp_path / "var").mkdir()
    write_run(tmp_path / "var", RunNote(os.getpid(), "redis://", "http://127.0.0.1:8123"))
    (tmp_path / "var" / "admin_key").write_text("made at the first start\n")

    assert find_service_url(None) == "http://127.0.0.1:8123"
    assert find_service_url("http://given") == "http://given"
    assert find_admin_key("http://127.0.0.1:8123") == "made at the first start"
    assert find_admin_key("http://given") is None


def test_an_unusable_address_is_named(run: Run) -> None:
    result = run("health", "--url", "service.example")

    assert result.exit_code == 4
    assert "service.example" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_overview_says_and_helps(run: Run, name: str) -> None:
    overview, own = run("--help"), run(name, "--help")

    assert own.exit_code == 0
    assert f"  {name} " in overview.stdout
    help_text = load_command(name).help or ""
    assert help_text.split("\n")[0].split()[0] == COMMANDS[name].summary.split()[0]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_names_the_command(run: Run, shell: str) -> None:
    result = run("completion", shell)

    assert result.exit_code == 0
    assert "_RHIZOME_COMPLETE" in result.stdout
