"""What the holder of the admin key orders, and what the answers say."""

from tests.support.scripted_server import ScriptedServer, says
from tests.unit.rhizome.client.conftest import Call


def test_a_retraining_is_forced_where_that_is_asked_for(server: ScriptedServer, call: Call) -> None:
    server.answers(says({"model": "wine", "run_id": "r", "status": "queued"}, 202))

    runs = [call("retrain"), call("retrain", force=True)]

    assert [seen.params for seen in server.seen] == [{}, {"force": "true"}]
    assert {run.model for run in runs} == {"wine"}


def test_a_service_of_an_earlier_release_names_no_model(server: ScriptedServer, call: Call) -> None:
    server.answers(says({"version": "v1", "previous": "v2", "promoted_at": "now"}))

    assert call("promote", "v1").model == ""
