"""One whole service for all integration tests that do not disturb it."""

from collections.abc import Iterator

import pytest

from tests.support.service import Service
from tests.support.webhooks import SECRET


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service with two worker processes and short leases, whose receivers may be on this machine."""
    running = Service(
        tmp_path_factory.mktemp("service"),
        worker_processes=2,
        batch_processes=2,
        lease_seconds=2,
        result_ttl_seconds=600,
        webhook_secret=SECRET,
        webhook_allow_private="127.0.0.0/8",
    )
    running.start()
    yield running
    running.stop()
