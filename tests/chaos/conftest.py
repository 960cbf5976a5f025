"""Each chaos test gets a service of its own, and a ledger of what it was promised."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.ledger import Ledger
from tests.support.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service with two worker processes and short leases."""
    running = Service(tmp_path, worker_processes=2, lease_seconds=2)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def ledger(service: Service) -> Iterator[Ledger]:
    """Users who submit all the time, and note every 202."""
    with Ledger(service).running() as users:
        yield users
