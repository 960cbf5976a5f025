"""A message made by hand is one that Celery could have made, and a real Celery worker runs it."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from rhizome import keys
from rhizome.celery_app import build_celery
from rhizome.job_queue.scripts import BELL_ID, bell_template
from rhizome.settings import Settings
from rhizome.task_message import EXPORT_TASK, RETRAIN_TASK, SCORE_TASK, build_task_message
from tests.support.queue import Queue
from tests.support.service import eventually

#: What may differ: each message's own id and tag, who sent it, where an answer would go (nobody reads one), and the
#: arguments spelt out for a log that is switched off.
FREE_HEADERS = {"id", "root_id", "origin", "argsrepr", "kwargsrepr"}
FREE_PROPERTIES = {"correlation_id", "delivery_tag", "reply_to"}

WORKER = """
import json, os
from rhizome.celery_app import build_celery
from rhizome.connection import connect
from rhizome.settings import Settings

settings = Settings(redis_url=os.environ["CONTRACT_REDIS_URL"])
app = build_celery("contract", settings, queues=("rhizome-scoring",), include=())
redis = connect(settings.redis_url)

@app.task(name="worker.score", bind=True)
def score(self, *args, **kwargs):
    redis.rpush("contract:ran", json.dumps([self.request.id, args, kwargs]))
"""


def published_by_celery(redis: Redis, url: str, task: str, queue: str, args: Sequence[object]) -> dict[str, Any]:
    """What lies on the queue after Celery itself has sent a task."""
    app = build_celery("worker", Settings(redis_url=url), queues=(queue,), include=())
    app.send_task(task, args=list(args), queue=queue, ignore_result=True)
    app.close()
    raw = redis.rpop(queue)
    assert isinstance(raw, bytes)
    message: dict[str, Any] = json.loads(raw)
    return message


def body_of(message: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(message["body"]))


@pytest.mark.parametrize(
    ("task", "queue", "args"),
    [
        (SCORE_TASK, keys.SCORING_QUEUE, []),
        (EXPORT_TASK, keys.EXPORT_QUEUE, ["agraurejanttdvp2ynr2qvlixzy4upte"]),
        (RETRAIN_TASK, keys.TRAINING_QUEUE, ["0123abcd", "requested over HTTP, größer"]),
    ],
)
def test_a_message_by_hand_is_built_as_celery_builds_it(
    redis: Redis, redis_server: str, task: str, queue: str, args: list[object]
) -> None:
    theirs = published_by_celery(redis, redis_server, task, queue, args)

    ours = json.loads(build_task_message(task, queue, args))

    assert set(ours) == set(theirs)
    assert body_of(ours) == body_of(theirs)
    for part in ("content-encoding", "content-type"):
        assert ours[part] == theirs[part]
    for part, free in (("headers", FREE_HEADERS), ("properties", FREE_PROPERTIES)):
        assert set(ours[part]) == set(theirs[part])
        assert {name: ours[part][name] for name in ours[part] if name not in free} == {
            name: theirs[part][name] for name in theirs[part] if name not in free
        }


def test_the_free_fields_have_the_types_that_celery_gives_them(redis: Redis, redis_server: str) -> None:
    theirs = published_by_celery(redis, redis_server, SCORE_TASK, keys.SCORING_QUEUE, [])

    ours = json.loads(build_task_message(SCORE_TASK, keys.SCORING_QUEUE))

    for part, free in (("headers", FREE_HEADERS), ("properties", FREE_PROPERTIES)):
        assert {name: type(ours[part][name]) for name in free} == {name: type(theirs[part][name]) for name in free}


@pytest.mark.parametrize("by_celery", [True, False])
def test_one_id_names_the_task_everywhere(redis: Redis, redis_server: str, by_celery: bool) -> None:
    if by_celery:
        message = published_by_celery(redis, redis_server, SCORE_TASK, keys.SCORING_QUEUE, [])
    else:
        message = json.loads(build_task_message(SCORE_TASK, keys.SCORING_QUEUE))

    headers, properties = message["headers"], message["properties"]
    assert headers["id"] == headers["root_id"] == properties["correlation_id"]
    assert properties["delivery_tag"]


def test_no_two_messages_share_a_tag() -> None:
    messages = [json.loads(build_task_message(SCORE_TASK, keys.SCORING_QUEUE)) for _ in range(100)]

    assert len({message["properties"]["delivery_tag"] for message in messages}) == 100
    assert len({message["headers"]["id"] for message in messages}) == 100


def test_the_bell_is_a_scoring_message_with_room_for_an_id() -> None:
    bell = json.loads(bell_template())

    assert bell["headers"]["task"] == SCORE_TASK
    assert bell["headers"]["id"] == bell["properties"]["delivery_tag"] == BELL_ID
    assert body_of(bell)[:2] == [[], {}]


def test_a_bell_that_was_rung_differs_from_a_fresh_message_by_its_id_alone(redis: Redis) -> None:
    Queue(redis).submit()

    rung = json.loads(redis.rpop(keys.SCORING_QUEUE))

    bell_id = rung["headers"]["id"]
    assert rung == json.loads(build_task_message(SCORE_TASK, keys.SCORING_QUEUE, task_id=bell_id))


@pytest.fixture
def celery_worker(redis: Redis, redis_server: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real Celery worker in a process of its own, which notes what it ran."""
    (tmp_path / "contract_app.py").write_text(WORKER)
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{root}", "CONTRACT_REDIS_URL": redis_server}
    command = [sys.executable, "-m", "celery", "-A", "contract_app", "--quiet", "worker", "--pool", "solo"]
    options = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen([*command, *options], env=environment, cwd=tmp_path, stdout=log, stderr=log)
    yield process
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def test_a_real_worker_runs_and_acknowledges_messages_by_hand(
    redis: Redis, celery_worker: subprocess.Popen[bytes]
) -> None:
    redis.lpush(keys.SCORING_QUEUE, build_task_message(SCORE_TASK, keys.SCORING_QUEUE, ["a", 1], task_id="one"))
    redis.lpush(keys.SCORING_QUEUE, build_task_message(SCORE_TASK, keys.SCORING_QUEUE, [], task_id="two"))

    def ran() -> list[Any]:
        assert celery_worker.poll() is None, "the worker ended"
        return [json.loads(raw) for raw in redis.lrange("contract:ran", 0, -1)]

    eventually(lambda: len(ran()) >= 2, 30.0, "the run of both messages")
    Queue(redis).submit()
    eventually(lambda: any(task_id.startswith("bell-") for task_id, _, _ in ran()), 30.0, "the run of the bell")

    assert ran()[:2] == [["one", ["a", 1], {}], ["two", [], {}]]
    eventually(lambda: not redis.exists("unacked", "unacked_index"), 30.0, "the acknowledgements")
