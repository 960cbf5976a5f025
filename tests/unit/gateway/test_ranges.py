"""Which part of a result is sent: the one asked for, where its condition holds."""

import pytest
from flask.testing import FlaskClient

from tests.support.queue import Queue
from tests.unit.gateway.test_batch_routes import batch_of, finish


@pytest.mark.parametrize(("condition", "status"), [("{tag}", 206), ("W/{tag}", 200), ('"another"', 200)])
def test_a_part_is_sent_under_a_strong_tag_of_these_rows_only(
    client: FlaskClient, queue: Queue, condition: str, status: int
) -> None:
    path = client.post("/predict/batch", json=batch_of(3)).headers["Location"]
    finish(queue)
    address = f"{path}?format=ndjson"
    whole = client.get(address)

    headers = {"Range": "bytes=2-5", "If-Range": condition.format(tag=whole.headers["ETag"])}
    response = client.get(address, headers=headers)

    assert response.status_code == status
    assert response.data == (whole.data[2:6] if status == 206 else whole.data)
