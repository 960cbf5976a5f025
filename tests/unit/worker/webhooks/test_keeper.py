"""The deliverer's keeper: nobody would miss its thread, so it survives whatever happens."""

import logging

import pytest
from redis import Redis

from rhizome import heartbeats
from tests.support.service import eventually
from tests.support.webhooks import build_outbox
from worker.webhooks.keeper import ROLE, Keeper


def test_it_goes_on_after_a_failure_of_any_kind(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("worker.webhooks.keeper.BEAT_SECONDS", 0.01)
    outbox, failures = build_outbox(redis), [RuntimeError("nobody thought of this"), ValueError("nor of this")]
    wakings = []

    def wake() -> None:
        if failures:
            raise failures.pop()
        wakings.append(True)

    monkeypatch.setattr(outbox, "wake", wake)
    keeper = Keeper(redis, outbox)

    with caplog.at_level(logging.ERROR):
        keeper.start()
        eventually(lambda: wakings, what="a waking after the failures")
    keeper.stop()

    assert [record.message for record in caplog.records] == ["keeper_failed"] * 2
    assert all(record.exc_info for record in caplog.records)
    assert not [process for process in heartbeats.living(redis) if process.role == ROLE]
