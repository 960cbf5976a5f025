"""The chaos tests of a file share a service, whole again before each of them, and have users of their own."""

from collections.abc import Iterator

import httpx
import pytest

from tests.chaos.suite.ledger import Ledger
from tests.chaos.suite.load import Load
from tests.chaos.suite.users import User
from tests.support.service import Service, eventually

PROCESSES = (
    "valkey-server",
    "-m gateway",
    "-m worker",
    "-m worker batches",
    "-m worker webhooks",
    "-m trainer serve",
    "-m trainer beat",
)
RECOVERY_SECONDS = 60.0
PAUSE_SECONDS = 0.002  #: between two submits of a user, so that four users do not fill the lane for minutes


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Two worker processes of each lane, and short leases; it outlives whatever a test kills but the supervisor."""
    running = Service(tmp_path_factory.mktemp("chaos"), worker_processes=2, batch_processes=2, lease_seconds=2)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def service(shared_service: Service) -> Service:
    """The service of this file, with every process in its place and nothing left to do."""
    eventually(lambda: is_whole(shared_service), RECOVERY_SECONDS, "the service's recovery")
    return shared_service


def is_whole(service: Service) -> bool:
    """True when all processes stand, exactly the living workers say so, and neither a job nor an event waits."""
    if any(len(service.pids(name)) != 1 for name in PROCESSES):
        return False
    try:
        report = service.health()
    except httpx.TransportError:
        return False
    if report["status"] != "ok":
        return False
    workers = {process["pid"] for process in report["workers"]["processes"]}
    lanes = [report["queue"][lane] for lane in ("interactive", "batch")]
    left = [lane["waiting"] + lane["in_flight"] for lane in lanes] + [report["webhooks"]["pending"]]
    return workers == {*service.worker_children(), *service.batch_children()} and not any(left)


@pytest.fixture
def load(service: Service) -> Iterator[Load]:
    """Users who submit all the time, and note every 202."""
    ledger = Ledger(["queue_unavailable"], may_cut=True)
    url = str(service.http.base_url)
    with Load(url, ledger, kinds=[User.single], pause_seconds=PAUSE_SECONDS).running() as users:
        yield users
