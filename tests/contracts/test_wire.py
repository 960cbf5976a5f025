"""What travels between processes of different versions: the stream entry, the records, the names of keys and tasks."""

import msgspec
import pytest
from redis import Redis

from rhizome import keys, task_message
from rhizome.jobs import Encoding, Lane, ScoreRequest, State, decode_request, encode_request
from tests.support.queue import Queue, build_request

WIRE_ORDER = (
    "job_id",
    "kind",
    "rows",
    "encoding",
    "payload",
    "signature",
    "version",
    "pinned",
    "waited",
    "request_id",
    "chunk",
    "returns",
    "top_k",
)


def test_the_fields_of_a_stream_entry_stand_in_their_order() -> None:
    assert ScoreRequest.__struct_fields__ == WIRE_ORDER


def test_a_stream_entry_is_an_array_of_its_fields() -> None:
    request = ScoreRequest("j", "batch", 2, "f8", b"\x00\x01", "digest", "v1", True, True, "r", 3, "label", 2)

    assert encode_request(request) == msgspec.msgpack.encode(
        ["j", "batch", 2, "f8", b"\x00\x01", "digest", "v1", True, True, "r", 3, "label", 2]
    )
    assert decode_request(encode_request(request)) == request


def test_an_entry_of_an_older_gateway_is_read_with_defaults() -> None:
    older = msgspec.msgpack.encode(["j", "single", 1, "f8", b"", "digest", "v1"])

    request = decode_request(older)

    assert (request.pinned, request.waited, request.request_id, request.chunk) == (False, False, "", 0)
    assert (request.returns, request.top_k) == ("both", 0)


def test_an_entry_of_a_newer_gateway_is_read_without_what_is_new() -> None:
    newer = msgspec.msgpack.encode(
        ["j", "single", 1, "f8", b"", "digest", "v1", False, False, "r", 0, "both", 0, "new"]
    )

    assert decode_request(newer).request_id == "r"


def test_the_stream_holds_one_field_with_the_encoded_request(redis: Redis) -> None:
    queue, request = Queue(redis), build_request("a" * 32)

    queue.resubmit(request)

    ((_, fields),) = redis.xrange(keys.lane(Lane.INTERACTIVE))
    assert fields == {b"m": encode_request(request)}


def test_the_record_of_a_job_has_its_fields(redis: Redis) -> None:
    queue = Queue(redis)

    job_id = queue.submit()

    recorded = redis.hgetall(keys.job(job_id))
    assert set(recorded) == {b"state", b"lane", b"kind", b"rows", b"chunk_rows", b"request_id", b"entry", b"chunks"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (keys.BELL, "rhizome:bell"),
        (keys.BATCH_BELL, "rhizome:bell:batch"),
        (keys.LISTENING, "rhizome:listening"),
        (keys.BATCH_LISTENING, "rhizome:listening:batch"),
        (keys.REST_COUNT, "rhizome:rest"),
        (keys.UPKEEP, "rhizome:upkeep"),
        (keys.DEAD_LETTERS, "rhizome:dead"),
        (keys.FINISHED, "rhizome:finished"),
        (keys.CHAMPION_MOVED, "rhizome:champion-moved"),
        (keys.ID_SECRET, "rhizome:id-secret"),
        (keys.PROCESSES, "rhizome:processes"),
        (keys.TRAINING, "rhizome:training"),
        (keys.TRAINING_PENDING, "rhizome:training:pending"),
        (keys.SCORING_QUEUE, "rhizome-scoring"),
        (keys.BATCH_QUEUE, "rhizome-batch"),
        (keys.UPKEEP_QUEUE, "rhizome-upkeep"),
        (keys.TRAINING_QUEUE, "rhizome-training"),
        (keys.GROUP, "scorers"),
        (keys.lane("interactive"), "rhizome:lane:interactive"),
        (keys.lane(Lane.BATCH), "rhizome:lane:batch"),
        (keys.job("j"), "rhizome:job:j"),
        (keys.rows("j"), "rhizome:rows:j"),
        (keys.rest("j"), "rhizome:rest:j"),
        (keys.open_entries("j"), "rhizome:open:j"),
        (keys.champion("iris"), "rhizome:model:iris:champion"),
        (keys.champion_history("iris"), "rhizome:model:iris:history"),
        (keys.versions("iris"), "rhizome:model:iris:versions"),
        (keys.rejected("iris"), "rhizome:model:iris:rejected"),
        (keys.latency(7), "rhizome:latency:7"),
        (keys.retrain_slot("s"), "rhizome:retrain:s"),
    ],
)
def test_a_key_keeps_its_name(name: str, value: str) -> None:
    assert name == value


def test_every_key_begins_with_the_products_name_and_is_its_own(redis: Redis) -> None:
    constants = [value for name, value in vars(keys).items() if name.isupper() and name not in ("PREFIX", "GROUP")]

    assert len(set(constants)) == len(constants)
    assert all(value.startswith("rhizome") for value in constants)


def test_states_lanes_and_encodings_keep_their_names() -> None:
    assert [state.value for state in State] == ["queued", "running", "succeeded", "failed", "cancelled", "expired"]
    assert [state.value for state in State if state.is_final] == ["succeeded", "failed", "cancelled", "expired"]
    assert [lane.value for lane in Lane] == ["interactive", "batch"]
    assert [encoding.value for encoding in Encoding] == ["f8", "json", "blob"]


def test_tasks_keep_their_names_and_are_registered_under_them() -> None:
    from worker import tasks as worker_tasks

    assert (task_message.SCORE_TASK, task_message.SWEEP_TASK) == ("worker.score", "worker.sweep")
    assert (task_message.RETRAIN_TASK, task_message.ANNOUNCE_TASK) == ("trainer.retrain", "trainer.announce")
    assert (worker_tasks.score.name, worker_tasks.sweep.name) == ("worker.score", "worker.sweep")
