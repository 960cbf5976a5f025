"""Waiting is done by the service; its absence is survived, and the end of the caller's time is an error of its own."""

import time

import pytest

from rhizome.client import JobCancelled, JobExpired, JobFailed, Timeout
from tests.support.scripted_server import ScriptedServer, breaks_off, hangs_up, problem, says
from tests.unit.rhizome.client.conftest import Call

SAMPLE = {"size": 1.5}
QUEUED = {"id": "a", "status": "queued", "queue_position": 3, "eta_ms": 12.5, "rows": 1}
DONE = {"id": "a", "status": "succeeded", "kind": "single", "result": {"value": 2.5}}


def test_a_prediction_that_is_not_there_at_once_is_waited_for(server: ScriptedServer, call: Call) -> None:
    server.answers(says(QUEUED, 202), says(QUEUED), says(DONE))

    prediction = call("predict", SAMPLE)

    assert prediction.value == 2.5
    assert [seen.path for seen in server.seen] == ["/predict", "/result/a", "/result/a"]
    assert server.seen[0].headers["prefer"].startswith("wait=")
    assert all(float(seen.params["wait"]) > 0 for seen in server.seen[1:])


def test_a_wait_survives_lost_connections_and_an_absent_queue(server: ScriptedServer, call: Call) -> None:
    away = problem(503, "queue_unavailable", retry_after=0)
    server.answers(hangs_up, breaks_off(b"{", 100), away, away, says(QUEUED), hangs_up, says(DONE))

    job = call("wait", "a")

    assert job.status == "succeeded"
    assert len(server.seen) == 7


def test_a_service_that_does_not_wait_is_not_asked_in_a_tight_loop(server: ScriptedServer, call: Call) -> None:
    server.answers(says(QUEUED))
    begun = time.monotonic()

    with pytest.raises(Timeout) as caught:
        call("wait", "a", 1.0)

    assert 0.9 < time.monotonic() - begun < 3
    assert len(server.seen) < 20
    assert caught.value.job_id == "a"


def test_no_time_at_all_is_one_look(server: ScriptedServer, call: Call) -> None:
    server.answers(says(QUEUED))

    with pytest.raises(Timeout):
        call("wait", "a", 0)

    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [("failed", JobFailed), ("cancelled", JobCancelled), ("expired", JobExpired)]
)
def test_a_job_without_a_prediction_is_a_typed_error(
    server: ScriptedServer, call: Call, status: str, kind: type[Exception]
) -> None:
    server.answers(says({"id": "a", "status": status, "error": {"code": "why", "detail": "because"}}))

    with pytest.raises(kind, match="because") as caught:
        call("predict", SAMPLE)

    assert caught.value.code == "why"  # type: ignore[attr-defined]
    assert caught.value.job.status == status  # type: ignore[attr-defined]


def test_wait_and_result_show_a_failed_job_without_raising(server: ScriptedServer, call: Call) -> None:
    server.answers(says({"id": "a", "status": "cancelled"}))

    assert call("wait", "a").status == call("result", "a").status == "cancelled"


def test_what_a_receipt_says_is_there(server: ScriptedServer, call: Call) -> None:
    server.answers(says(QUEUED, 202))

    job = call("submit", SAMPLE)

    assert (job.status, job.queue_position, job.eta_ms, job.counts.total) == ("queued", 3, 12.5, 1)
    assert not job.is_final


def test_options_go_into_the_query_where_no_feature_can_be_meant(server: ScriptedServer, call: Call) -> None:
    server.answers(says(QUEUED, 202))

    call("submit", {"version": 3.0}, version="v1", priority=0, returns="label", top_k=2, webhook_events=["started"])

    assert server.seen[0].document == {"version": 3.0}
    assert server.seen[0].params == {
        "version": "v1",
        "priority": "0",
        "return": "label",
        "top_k": "2",
        "webhook_events": "started",
    }


def test_a_misspelt_option_is_refused_before_anything_is_sent(server: ScriptedServer, call: Call) -> None:
    with pytest.raises(TypeError, match="priorty"):
        call("submit", SAMPLE, priorty=1)

    assert server.seen == []


def test_a_job_id_cannot_lead_elsewhere(server: ScriptedServer, call: Call) -> None:
    server.answers(says(DONE))

    call("cancel", "../models?x")

    assert (server.seen[0].method, server.seen[0].path) == ("DELETE", "/result/..%2Fmodels%3Fx")


def test_values_by_position_get_the_champions_names(server: ScriptedServer, call: Call) -> None:
    signature = {"features": [{"name": "size"}, {"name": "weight"}]}
    versions = [{"version": "v2", "signature": {"features": []}}, {"version": "v1", "signature": signature}]
    server.answers(says({"name": "m", "champion": "v1", "versions": versions}), says(DONE))

    call("predict", (1.5, 2))

    assert server.seen[1].document == {"size": 1.5, "weight": 2}
