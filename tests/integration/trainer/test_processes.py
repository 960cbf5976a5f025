"""The real processes: trainer, beat and the command line, on a real Redis."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis

from rhizome import keys
from rhizome.embedded_redis import find_free_port
from rhizome.heartbeats import living
from rhizome.registry import Pointer, Registry
from rhizome.settings import Settings
from rhizome.task_message import ANNOUNCE_TASK, RETRAIN_TASK, build_task_message
from rhizome.training_runs import read_runs, request_run
from rhizome.version_store import VersionStore
from trainer.journal import read_journal
from trainer.promotion import Promoter
from trainer.schedule import SWEEP_SECONDS
from trainer.training import train

PATIENCE_SECONDS = 60.0


def eventually(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


@contextmanager
def process(arguments: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            child.terminate()
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(10)


def events(log: Path) -> list[str]:
    lines = (line for line in log.read_text().splitlines() if line.startswith("{"))
    return [json.loads(line)["event"] for line in lines]


def run_cli(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module("trainer", environment, *arguments)


def run_rhizome(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_module("rhizome", environment, *arguments)


def run_module(module: str, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def champion(settings: Settings, registry: Registry, store: VersionStore) -> Pointer:
    """Of a version that was trained and promoted in this process, which has imported everything already."""
    return Promoter(registry, store, lambda _: None).promote_candidate(train(settings, registry, "first"))


@pytest.fixture
def trainer(environment: dict[str, str], redis: Redis, tmp_path: Path) -> Iterator[Path]:
    """A running trainer; gives its log."""
    log = tmp_path / "trainer.log"
    with process(["trainer", "serve"], environment, log):
        eventually(lambda: any(process.role == "trainer" for process in living(redis)))
        yield log
    assert not any(process.role == "trainer" for process in living(redis))


def test_a_requested_run_is_carried_out_and_the_reload_broadcast(
    redis: Redis, registry: Registry, store: VersionStore, trainer: Path
) -> None:
    request_run(redis, "test", datetime.now(UTC))

    last = eventually(lambda: read_runs(redis)["last"])

    champion, journal = registry.champion(), read_journal(store)
    assert (last["outcome"], last["detail"]) == ("promoted", "")
    assert champion is not None
    assert champion.version == last["version"]
    assert journal is not None
    assert journal.pointer == champion
    eventually(lambda: "run_finished" in events(trainer))
    assert {"training_started", "gate_check", "training_finished", "promoted", "reload_broadcast"} <= set(
        events(trainer)
    )
    assert "Traceback" not in trainer.read_text()


def test_an_announcement_notes_and_broadcasts_the_standing_champion(
    settings: Settings, redis: Redis, registry: Registry, store: VersionStore, trainer: Path
) -> None:
    manifest = train(settings, registry, "first")
    registry.promote(manifest.version, reason="over HTTP")

    redis.lpush(keys.TRAINING_QUEUE, build_task_message(ANNOUNCE_TASK, keys.TRAINING_QUEUE))

    def journalled() -> bool:
        journal = read_journal(store)
        return journal is not None and journal.pointer.version == manifest.version

    eventually(journalled)
    eventually(lambda: "reload_broadcast" in events(trainer))


def test_a_message_without_sense_is_logged_and_the_trainer_goes_on(redis: Redis, trainer: Path) -> None:
    redis.lpush(keys.TRAINING_QUEUE, build_task_message(RETRAIN_TASK, keys.TRAINING_QUEUE, ["unknown-run", "test"]))
    eventually(lambda: "run_skipped" in events(trainer))

    request_run(redis, "test", datetime.now(UTC))

    assert eventually(lambda: read_runs(redis)["last"])["outcome"] == "promoted"


def test_a_wiped_redis_gets_its_champion_back_from_a_starting_trainer(
    champion: Pointer, environment: dict[str, str], redis: Redis, registry: Registry, tmp_path: Path
) -> None:
    redis.flushall()
    with process(["trainer", "serve"], environment, tmp_path / "trainer.log"):
        assert eventually(registry.champion) == champion


def test_beat_sends_sweeps_that_expire(environment: dict[str, str], redis: Redis, tmp_path: Path) -> None:
    with process(["trainer", "beat"], environment, tmp_path / "beat.log"):
        eventually(lambda: redis.llen(keys.UPKEEP_QUEUE), 2 * SWEEP_SECONDS)
    (message, *_) = redis.lrange(keys.UPKEEP_QUEUE, 0, -1)
    headers = msgspec.json.decode(message)["headers"]
    assert headers["task"] == "worker.sweep"
    assert headers["expires"]


def test_a_bad_cron_setting_ends_beat_with_one_clear_line(environment: dict[str, str], redis: Redis) -> None:
    ended = run_cli(environment | {"RHIZOME_RETRAIN_CRON": "0 25 * * *"}, "beat")
    assert ended.returncode == 1
    assert "RHIZOME_RETRAIN_CRON" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_command_line_trains_once_if_a_version_is_missing(
    environment: dict[str, str], redis: Redis, registry: Registry
) -> None:
    assert run_cli(environment, "train", "--if-missing").returncode == 0
    champion = registry.champion()
    again = run_cli(environment, "train", "--if-missing")
    assert again.returncode == 0
    assert "champion_present" in again.stdout
    assert registry.champion() == champion


def test_the_command_line_says_when_the_gate_refuses(
    champion: Pointer, environment: dict[str, str], registry: Registry, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("x,species\n" + "".join(f"{i}.5,{'ab'[i % 2]}\n" for i in range(60)))
    changed = environment | {"RHIZOME_DATASET": str(other)}

    refused = run_cli(changed, "train")

    assert refused.returncode == 3
    assert "promotion_refused" in refused.stdout
    assert registry.champion() == champion


def test_the_command_line_promotes_and_rolls_back(
    champion: Pointer, settings: Settings, environment: dict[str, str], registry: Registry
) -> None:
    second = train(settings, None, "only on disk")
    assert run_cli(environment, "promote", second.version).returncode == 0
    pointer = registry.champion()
    assert pointer is not None
    assert pointer.version == second.version
    assert run_cli(environment, "rollback").returncode == 0
    assert run_cli(environment, "rollback").returncode == 3
    assert run_cli(environment, "promote", "20260101T000000Z-00000000").returncode == 1


def test_the_operators_commands_print_one_document_and_log_beside_it(
    champion: Pointer, environment: dict[str, str]
) -> None:
    second = run_rhizome(environment, "train", "--force", "--json")
    back = run_rhizome(environment, "rollback", "--json")
    forth = run_rhizome(environment, "promote", json.loads(second.stdout)["version"], "--json")
    unknown = run_rhizome(environment, "promote", "20260101T000000Z-00000000", "--json")

    trained, rolled_back, promoted = (json.loads(command.stdout) for command in (second, back, forth))
    assert (trained["status"], trained["detail"]) == ("promoted", "")
    assert rolled_back["version"] == champion.version
    assert rolled_back["previous"] == promoted["version"] == trained["version"]
    assert promoted["promoted_at"]
    assert {json.loads(line)["event"] for line in second.stderr.splitlines()} >= {"training_started", "promoted"}
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "command_failed" in unknown.stderr


def test_another_schema_is_refused_with_an_option_that_exists(
    champion: Pointer, environment: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("x,species\n" + "".join(f"{i}.5,{'ab'[i // 40]}\n" for i in range(80)))
    changed = environment | {"RHIZOME_DATASET": str(other)}

    refused = run_rhizome(changed, "train", "--json")
    allowed = run_rhizome(changed, "train", "--allow-new-schema", "--json")

    assert refused.returncode == 3
    assert json.loads(refused.stdout)["status"] == "refused"
    assert "--allow-new-schema" in json.loads(refused.stdout)["detail"]
    assert allowed.returncode == 0
    assert json.loads(allowed.stdout)["status"] == "promoted"


def test_an_unreachable_redis_is_one_clear_line(environment: dict[str, str]) -> None:
    ended = run_cli(environment | {"RHIZOME_REDIS_URL": "redis://user:secret@127.0.0.1:1/0"}, "train")
    assert ended.returncode == 1
    assert "Redis does not answer at 127.0.0.1:1" in ended.stdout
    assert "secret" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_resident_processes_do_not_carry_scikit_learn(environment: dict[str, str]) -> None:
    probe = (
        "import sys, trainer.app, trainer.__main__; "
        "sys.exit([name for name in ('sklearn', 'numpy', 'scipy', 'joblib') if name in sys.modules] or 0)"
    )
    found = subprocess.run(
        [sys.executable, "-c", probe], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stderr


def test_training_unchanged_data_is_said_and_publishes_nothing(
    champion: Pointer, environment: dict[str, str], registry: Registry
) -> None:
    again = run_rhizome(environment, "train", "--json")

    assert again.returncode == 0
    said = json.loads(again.stdout)
    assert (said["model"], said["status"], said["version"]) == ("iris", "unchanged", champion.version)
    assert "rhizome train --force" in said["detail"]
    assert registry.version_names() == [champion.version]


def test_a_start_with_another_estimator_leaves_a_run_to_the_trainer(
    champion: Pointer, environment: dict[str, str], redis: Redis
) -> None:
    changed = environment | {"RHIZOME_ESTIMATOR": "trainer.estimators:random_forest"}

    started = run_cli(changed, "train", "--if-missing")

    assert started.returncode == 0
    assert "trainer.estimators:random_forest, not trainer.estimators:logistic_regression" in started.stdout
    assert read_runs(redis)["state"] == "queued"


def test_a_start_with_another_schema_fails_and_names_the_remedy(
    champion: Pointer, environment: dict[str, str], redis: Redis
) -> None:
    started = run_cli(environment | {"RHIZOME_TARGET": "petal_width"}, "train", "--if-missing")

    assert started.returncode == 1
    assert "RHIZOME_MODEL_NAME" in started.stdout
    assert read_runs(redis)["state"] == "idle"


@pytest.mark.parametrize(
    "arguments",
    [
        ("trainer", "serve"),
        ("trainer", "beat"),
        ("trainer", "train"),
        ("trainer", "train", "--if-missing"),
        ("trainer", "rollback"),
        ("worker",),
        ("worker", "batches"),
        ("worker", "webhooks"),
        ("gateway",),
        ("rhizome", "up"),
        ("rhizome", "train"),
        ("rhizome", "rollback"),
    ],
    ids=" ".join,
)
def test_no_process_of_another_model_works_on_this_redis(
    champion: Pointer, environment: dict[str, str], redis: Redis, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    redis.set(keys.OWNER, "iris")
    outside = {"RHIZOME_MODEL_NAME": "wine", "RHIZOME_VAR_DIR": str(tmp_path / "var")}
    port = {"RHIZOME_PORT": str(find_free_port())}

    module, *rest = arguments
    ended = run_module(module, environment | outside | port, *rest)

    assert ended.returncode == 1
    assert "serves the model 'iris', not 'wine'" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert not redis.exists(keys.champion("wine"), keys.TRAINING, keys.PROCESSES)
