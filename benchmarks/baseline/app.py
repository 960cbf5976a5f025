"""The baseline's Flask application: a request in, `predict.delay`, and the state of an `AsyncResult` out.

It speaks Rhizome's words (`status`, `Prefer: wait=N`) so that one load generator drives both.
"""

import re
from contextlib import suppress
from typing import Any

from celery.exceptions import TimeoutError as NotDoneInTime
from celery.result import AsyncResult
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from benchmarks.baseline.tasks import celery_app, predict

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
MAX_WAIT_SECONDS = 60.0
#: Celery's states in the words of the API; PENDING is also what it says of an id it has never seen.
STATUS = {"PENDING": "queued", "STARTED": "running", "RETRY": "running", "SUCCESS": "succeeded"}


def create_app() -> Flask:
    """Builds the application: one instance per gunicorn worker."""
    app = Flask(__name__)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.add_url_rule("/predict", view_func=submit, methods=["POST"])
    app.add_url_rule("/result/<job_id>", view_func=show_result)
    app.add_url_rule("/readyz", view_func=lambda: {"status": "ok"}, endpoint="readyz")
    return app


def submit() -> ResponseReturnValue:
    body = request.get_json()
    try:
        features = [float(body[name]) for name in FEATURES]
    except (KeyError, TypeError, ValueError):
        return jsonify(error="four numbers are needed", fields=FEATURES), 422
    result = predict.delay(features)
    if seconds := _wait_seconds():
        _wait(result, seconds)
        if result.ready():
            return jsonify(_describe(result)), 200
    return jsonify(id=result.id, status="queued", urls={"result": f"/result/{result.id}"}), 202


def show_result(job_id: str) -> ResponseReturnValue:
    result = AsyncResult(job_id, app=celery_app)
    if seconds := _wait_seconds():
        _wait(result, seconds)
    return jsonify(_describe(result))


def _wait_seconds() -> float:
    preferred = re.search(r"\bwait=(\d+)", request.headers.get("Prefer", ""))
    asked = float(preferred[1]) if preferred else request.args.get("wait", 0.0, type=float)
    return min(asked, MAX_WAIT_SECONDS)


def _wait(result: "AsyncResult[Any]", seconds: float) -> None:
    with suppress(NotDoneInTime):
        result.get(timeout=seconds, propagate=False)


def _describe(result: "AsyncResult[Any]") -> dict[str, Any]:
    state, value = result.state, result.result
    status = STATUS.get(state, "failed")
    return {"id": result.id, "status": status, "result": value if status == "succeeded" else None}
