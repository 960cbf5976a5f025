"""Job ids: minted and recognised under one secret, without any stored trace."""

import time

import pytest

from rhizome.job_ids import ID_LENGTH, SECRET_BYTES, JobIds

SECRET = b"s" * SECRET_BYTES


def test_a_minted_id_is_recognised_under_the_same_secret() -> None:
    job_id = JobIds(SECRET).mint()

    age = JobIds(SECRET).age_seconds(job_id)

    assert age is not None
    assert len(job_id) == ID_LENGTH
    assert set(job_id) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_no_two_ids_are_alike() -> None:
    ids = JobIds(SECRET)

    assert len({ids.mint() for _ in range(1000)}) == 1000


def test_an_id_tells_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, now = JobIds(SECRET), time.time()
    monkeypatch.setattr("time.time", lambda: now)
    job_id = ids.mint()
    monkeypatch.setattr("time.time", lambda: now + 3600)

    age = ids.age_seconds(job_id)

    assert age == pytest.approx(3600, abs=0.001)


def test_an_id_of_a_foreign_secret_is_unknown() -> None:
    job_id = JobIds(b"t" * SECRET_BYTES).mint()

    assert JobIds(SECRET).age_seconds(job_id) is None


@pytest.mark.parametrize("position", range(ID_LENGTH))
def test_an_id_with_any_character_changed_is_unknown(position: int) -> None:
    ids = JobIds(SECRET)
    job_id = ids.mint()
    other = "b" if job_id[position] == "a" else "a"

    changed = job_id[:position] + other + job_id[position + 1 :]

    assert ids.age_seconds(changed) is None


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "a",
        "a" * 31,
        "a" * 32,
        "a" * 33,
        "0" * 32,
        "=" * 32,
        "a" * 24 + "=" * 8,
        "ä" * 32,
        " " * 32,
        "\x00" * 32,
        "../../etc/passwd",
        "x" * 100_000,
    ],
)
def test_garbage_is_no_id(garbage: str) -> None:
    assert JobIds(SECRET).age_seconds(garbage) is None


def test_an_id_in_capitals_is_another_id() -> None:
    ids = JobIds(SECRET)

    assert ids.age_seconds(ids.mint().upper()) is None
