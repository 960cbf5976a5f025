"""The short form of `make chaos`: a service is disturbed in several ways, and its ledger is in order."""

from pathlib import Path

import pytest

from tests.chaos.suite.playing import Play, play

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

PATIENCE = 10.0  #: other tests run at the same time, and this one is not about speed


def test_a_disturbed_service_loses_doubles_and_mistakes_nothing(tmp_path: Path) -> None:
    said: list[str] = []

    faults = play(Play(tmp_path, is_short=True, patience=PATIENCE), said.append)

    assert faults == 0, "\n\n".join(said)
