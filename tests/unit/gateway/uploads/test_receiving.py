"""What is said of a file once it is a job."""

import time

import pytest
from redis import Redis

from tests.support.versions import IRIS_FEATURES
from tests.unit.gateway.test_health import beat_worker
from tests.unit.gateway.uploads.conftest import BuildClient

CSV = (",".join(IRIS_FEATURES) + "\n5.1,3.5,1.4,0.2\n").encode()
PARQUET = b"PAR1 whatever stands here, a worker reads it PAR1"


@pytest.mark.parametrize(
    ("body", "mimetype", "rows", "eta_ms"),
    [(CSV, "text/csv", 1, 7), (PARQUET, "application/vnd.apache.parquet", None, None)],
    ids=["csv", "parquet"],
)
def test_when_a_file_will_be_done_is_said_where_its_rows_are_known(
    build_client: BuildClient, redis: Redis, body: bytes, mimetype: str, rows: int | None, eta_ms: int | None
) -> None:
    costs = {"single_ms": 9.0, "entry_ms": 1.0, "chunk_ms": 50.0, "chunk_call_ms": 5.0, "row_ms": 2.0}
    beat_worker(redis, lane="batch", **costs, measured_at=time.time())

    document = build_client().post("/predict/batch", data=body, content_type=mimetype).get_json()

    assert (document["rows"], document["eta_ms"]) == (rows, eta_ms)
