"""Celery messages made by hand, in the form Celery's protocol 2 and Kombu's Redis transport give them.

The gateway must not carry Celery: a hand-made message costs a fiftieth of `delay()` and keeps its process small. A
contract test compares these with messages that Celery itself published.
See https://docs.celeryq.dev/en/stable/internals/protocol.html (version 2).
"""

import base64
import uuid
from collections.abc import Sequence

import msgspec

SCORE_TASK = "worker.score"
SWEEP_TASK = "worker.sweep"
EXPORT_TASK = "worker.export"
DELIVER_TASK = "worker.deliver_webhooks"
RETRAIN_TASK = "trainer.retrain"
ANNOUNCE_TASK = "trainer.announce"
SCHEDULED_RETRAIN_TASK = "trainer.scheduled_retrain"


def build_task_message(task: str, queue: str, args: Sequence[object] = (), *, task_id: str | None = None) -> bytes:
    """One message to `LPUSH` on the list `queue`.

    Args:
        task: the registered name of the Celery task.
        queue: the Celery queue, which on Redis is the list of the same name.
        args: positional arguments, JSON-encodable.
        task_id: unique among all messages; a fresh UUID by default.
    """
    task_id = task_id or str(uuid.uuid4())
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = base64.b64encode(msgspec.json.encode([list(args), {}, embed])).decode()
    return msgspec.json.encode(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": _headers(task, task_id),
            "properties": {
                "correlation_id": task_id,
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "body_encoding": "base64",
                # Kombu keeps an unacknowledged message under its tag: two equal tags would be one message.
                "delivery_tag": task_id,
            },
        }
    )


def _headers(task: str, task_id: str) -> dict[str, object]:
    return {
        "lang": "py",
        "task": task,
        "id": task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": task_id,
        "parent_id": None,
        "argsrepr": "-",
        "kwargsrepr": "-",
        "origin": "rhizome",
        "ignore_result": True,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
