"""Commands beside a service act on what that service runs, and on nothing else."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rhizome.commands.environment import find_service_environment
from rhizome.runfile import Run, write_run
from rhizome.settings import Settings, name_training

REDIS = "redis://:secret@127.0.0.1:1234/0"


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Leaves the note of a running wine service in this folder's `var`."""
    for name in [name for name in os.environ if name.startswith("RHIZOME_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var").mkdir()

    def note(*, signs: bool = False) -> None:
        settings = Settings(model_name="wine", dataset=Path("wine.csv"), target="cultivar", signing_key="k")
        write_run(tmp_path / "var", Run(os.getpid(), REDIS, "http://127.0.0.1:1", name_training(settings), signs))

    return note


def test_a_command_takes_over_what_the_service_runs(serve: Callable[..., None], tmp_path: Path) -> None:
    serve()

    found = find_service_environment()

    assert found["RHIZOME_REDIS_URL"] == REDIS
    assert (found["RHIZOME_MODEL_NAME"], found["RHIZOME_TARGET"]) == ("wine", "cultivar")
    assert found["RHIZOME_DATASET"] == str(tmp_path / "wine.csv")
    assert found["RHIZOME_MODELS_DIR"] == str(tmp_path / "models")


def test_the_note_holds_no_key(serve: Callable[..., None], tmp_path: Path) -> None:
    serve(signs=True)

    note = tmp_path / "var" / "run.json"

    assert "SIGNING_KEY" not in note.read_text()
    assert note.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RHIZOME_MODEL_NAME", "iris"),
        ("RHIZOME_MODELS_DIR", "elsewhere"),
        ("RHIZOME_REDIS_URL", "redis://127.0.0.1:99/0"),
    ],
)
def test_a_variable_that_means_another_service_is_refused(
    serve: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
) -> None:
    serve()
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit):
        find_service_environment()

    said = capsys.readouterr().err
    assert name in said
    assert "RHIZOME_VAR_DIR" in said
    assert "secret" not in said


def test_a_variable_that_says_the_same_is_accepted(
    serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve()
    same = {"MODEL_NAME": "wine", "REDIS_URL": REDIS, "MODELS_DIR": "models", "DATASET": "./wine.csv", "TARGET": ""}
    for name, value in same.items():
        monkeypatch.setenv(f"RHIZOME_{name}", value)

    assert find_service_environment()["RHIZOME_TARGET"] == "cultivar"
    assert capsys.readouterr().err == ""


def test_another_way_of_training_is_named_and_taken(
    serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve()
    monkeypatch.setenv("RHIZOME_SEED", "7")

    found = find_service_environment()

    assert found["RHIZOME_SEED"] == "7"
    assert capsys.readouterr().err == "rhizome: RHIZOME_SEED is 7, and the service of this folder runs with 42\n"


def test_versions_for_a_service_that_signs_need_its_key(
    serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(signs=True)
    with pytest.raises(SystemExit):
        find_service_environment()
    assert "RHIZOME_SIGNING_KEY" in capsys.readouterr().err

    monkeypatch.setenv("RHIZOME_SIGNING_KEY", "k")

    assert find_service_environment()["RHIZOME_SIGNING_KEY"] == "k"


def test_a_note_of_an_earlier_release_does_not_say_which_model_runs(
    serve: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "var", Run(os.getpid(), REDIS, "http://127.0.0.1:1"))

    with pytest.raises(SystemExit):
        find_service_environment()

    assert "earlier release" in capsys.readouterr().err


def test_without_a_service_the_environment_stands_as_it_is(
    serve: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        find_service_environment()
    monkeypatch.setenv("RHIZOME_REDIS_URL", REDIS)

    assert find_service_environment() == dict(os.environ)
