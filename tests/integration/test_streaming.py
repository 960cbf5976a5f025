"""A job followed as server-sent events, from the real gateway."""

import json
from collections.abc import Iterator

from tests.support.service import SAMPLE, Service, eventually


def read_events(service: Service, job_id: str, **headers: str) -> Iterator[dict[str, str]]:
    """The events of one stream, until the server ends it."""
    with service.http.stream("GET", f"/result/{job_id}/stream", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        event: dict[str, str] = {}
        for line in response.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif "event" in event:
                yield event
                event = {}


def test_a_single_job_is_followed_to_its_result(service: Service) -> None:
    job_id = service.submit()

    *_, last = read_events(service, job_id)

    assert last["event"] == "done"
    assert json.loads(last["data"]) == service.result(job_id)


def test_a_batch_reports_its_progress_in_order(service: Service) -> None:
    job_id = service.http.post("/predict/batch", json={"instances": [SAMPLE] * 10_000}).json()["id"]

    events = list(read_events(service, job_id))

    assert events[-1]["event"] == "done"
    done = [json.loads(event["data"])["rows"]["done"] for event in events]
    assert done == sorted(done)
    assert done[-1] == 10_000
    assert len({event["id"] for event in events}) == len(events)


def test_a_client_that_comes_back_gets_only_what_is_new(service: Service) -> None:
    job_id = service.submit()
    *_, last = read_events(service, job_id)

    again = service.http.get(f"/result/{job_id}/stream", headers={"Last-Event-ID": last["id"]})
    from_the_start = list(read_events(service, job_id, **{"Last-Event-ID": "queued-0"}))

    assert again.status_code == 204
    assert [event["id"] for event in from_the_start] == [last["id"]]


def test_an_unknown_job_has_no_stream(service: Service) -> None:
    assert service.http.get(f"/result/{'a' * 32}/stream").status_code == 404


def test_streams_that_nobody_reads_any_more_give_their_place_up(service: Service) -> None:
    for _ in range(5):
        job_id = service.submit()
        with service.http.stream("GET", f"/result/{job_id}/stream"):
            pass  # left before its end

    assert eventually(lambda: service.health()["gateway"]["waiting_requests"] == 0, what="no waiting request")
