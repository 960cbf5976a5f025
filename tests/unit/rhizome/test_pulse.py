"""Pulses: a file that ages tells of a process that hangs; a healthcheck reads nothing else."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rhizome.embedded_redis import find_free_port
from rhizome.probe import find_deafness, find_problem
from rhizome.pulse import AWAY_FILE, Pulse, PulseReading, read_pulses

HOUR_SECONDS = 3600.0


def age(folder: Path, role: str, seconds: float) -> None:
    """Makes this process's pulse older."""
    then = time.time() - seconds
    os.utime(folder / f"{role}.{os.getpid()}", (then, then))


def only_pulse(folder: Path) -> PulseReading:
    (reading,) = read_pulses(folder)
    return reading


def test_a_process_that_beats_has_a_pulse(tmp_path: Path) -> None:
    Pulse(tmp_path / "made" / "here", "child", 30).beat()

    reading = only_pulse(tmp_path / "made" / "here")

    assert (reading.role, reading.pid, reading.patience_seconds) == ("child", os.getpid(), 30.0)


def test_each_beat_makes_it_young_again(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, "child", 30)
    pulse.beat()
    age(tmp_path, "child", HOUR_SECONDS)
    assert only_pulse(tmp_path).age_seconds >= HOUR_SECONDS - 1

    pulse.beat()

    assert only_pulse(tmp_path).age_seconds < HOUR_SECONDS - 1


def test_a_process_that_ends_in_order_has_none(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, "child", 30)
    pulse.beat()

    pulse.withdraw()
    pulse.withdraw()

    assert read_pulses(tmp_path) == []


def test_without_a_folder_there_is_no_pulse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    pulse = Pulse(None, "child", 30)
    pulse.beat()
    pulse.withdraw()
    pulse.start_thread()

    assert list(tmp_path.iterdir()) == []


def test_the_pulse_of_a_dead_process_is_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f"child.{dead.pid}").write_text("30")

    assert read_pulses(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["notes", AWAY_FILE, "child.", "child.x", ".1"])
def test_what_is_no_pulse_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("30")

    assert read_pulses(tmp_path) == []
    assert (tmp_path / name).exists()


def test_a_pulse_that_is_being_written_is_skipped(tmp_path: Path) -> None:
    (tmp_path / f"child.{os.getpid()}").touch()

    assert read_pulses(tmp_path) == []


def test_a_folder_that_is_not_there_holds_no_pulse(tmp_path: Path) -> None:
    assert read_pulses(tmp_path / "absent") == []


def test_young_pulses_of_every_role_are_healthy(tmp_path: Path) -> None:
    for role in ("main", "child"):
        Pulse(tmp_path, role, 30).beat()

    assert find_problem(tmp_path, ["main", "child"]) == ""


def test_a_missing_role_is_named(tmp_path: Path) -> None:
    Pulse(tmp_path, "main", 30).beat()

    assert "child" in find_problem(tmp_path, ["main", "child"])


def test_an_old_pulse_is_a_problem_while_redis_answers(
    tmp_path: Path, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHIZOME_REDIS_URL", redis_server)
    Pulse(tmp_path, "child", 30).beat()
    age(tmp_path, "child", HOUR_SECONDS)

    problem = find_problem(tmp_path, ["child"])

    assert str(os.getpid()) in problem
    assert "no progress" in problem


def test_an_old_pulse_is_excused_while_redis_is_away_and_shortly_after(
    tmp_path: Path, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHIZOME_REDIS_URL", f"redis://127.0.0.1:{find_free_port()}/0")
    Pulse(tmp_path, "child", 30).beat()
    age(tmp_path, "child", HOUR_SECONDS)
    assert find_problem(tmp_path, ["child"]) == ""
    monkeypatch.setenv("RHIZOME_REDIS_URL", redis_server)
    assert find_problem(tmp_path, ["child"]) == ""

    long_ago = time.time() - HOUR_SECONDS
    os.utime(tmp_path / AWAY_FILE, (long_ago, long_ago))

    assert find_problem(tmp_path, ["child"]) != ""


def test_a_server_that_does_not_answer_is_deaf() -> None:
    assert "does not answer" in find_deafness(f"http://127.0.0.1:{find_free_port()}/livez")
