"""One whole service for all integration tests that do not disturb it."""

from collections.abc import Iterator

import pytest

from tests.support.service import Service


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service with two worker processes, no scheduled retraining and short leases."""
    running = Service(tmp_path_factory.mktemp("service"), worker_processes=2, lease_seconds=2, result_ttl_seconds=600)
    running.start()
    yield running
    running.stop()
