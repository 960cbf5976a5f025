"""Results are kept for their time, and an id whose time is over is not an unknown one."""

from collections.abc import Iterator

import pytest

from tests.support.service import Service, eventually


@pytest.fixture
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("forgetful"), result_ttl_seconds=1).start()
    yield running
    running.stop()


def test_an_expired_result_is_gone_and_not_unknown(forgetful: Service) -> None:
    job_id = forgetful.submit()
    assert forgetful.result(job_id)["status"] == "succeeded"

    gone = eventually(
        lambda: (response := forgetful.http.get(f"/result/{job_id}")).status_code == 410 and response, what="the 410"
    )

    assert gone.json()["code"] == "job_expired"
    assert forgetful.http.get(f"/result/{'a' * 32}").status_code == 404
