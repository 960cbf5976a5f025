"""The OpenAPI document's part on the service itself: health, versions, training."""

from typing import Any

from gateway.openapi_operations import answer, operation
from gateway.openapi_parameters import FORCE
from rhizome.jobs import Lane
from rhizome.manifest import Manifest

_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_MOMENT = {"type": ["string", "null"], "format": "date-time"}
_NUMBER = {"type": "number"}
_MAYBE_NUMBER = {"type": ["number", "null"]}
_COUNT = {"type": "integer"}
_TRUTH = {"type": "boolean"}
_OPEN = {"type": "object"}
_FORMER = "20260101T000000Z-0123abcd"
_AT = "2026-11-24T01:37:42.725+00:00"
_RUN_ID = "ddec8e761e184cb593eb0732ee1952e0"


def service_paths(manifest: Manifest) -> dict[str, Any]:
    """The paths; the champion's manifest gives the examples."""
    return _health_paths(manifest) | _model_paths(manifest)


def service_schemas() -> dict[str, Any]:
    """The schemas that those paths refer to."""
    lane = _object({"waiting": _COUNT, "in_flight": _COUNT, "oldest_waiting_seconds": _MAYBE_NUMBER})
    worker = {"host": _TEXT, "pid": _COUNT, "lane": {"enum": [lane.value for lane in Lane]}, "state": _TEXT}
    worker |= {"version": _MAYBE_TEXT, "artifact_sha256": _MAYBE_TEXT}
    worker |= {"heartbeat_age_seconds": _NUMBER, "uptime_seconds": _NUMBER, "runs": _COUNT}
    rates = dict.fromkeys(("interactive_jobs_per_second", "batch_chunks_per_second"), _NUMBER)
    pace = _object({"scorers": _COUNT, "batch_scorers": _COUNT} | rates)
    latency = {"window_seconds": _NUMBER, "jobs": _COUNT, "p50_ms": _MAYBE_NUMBER}
    latency |= {"p95_ms": _MAYBE_NUMBER, "p99_ms": _MAYBE_NUMBER}
    champion = {"version": _TEXT, "artifact_sha256": _TEXT, "promoted_at": _MOMENT, "reason": _TEXT}
    always = {
        "status": {"enum": ["ok", "degraded", "unavailable"]},
        "problems": {"type": "array", "items": _TEXT},
        "redis": _object({"reachable": _TRUTH, "latency_ms": _NUMBER, "memory_used_fraction": _NUMBER}, 1),
        "gateway": _object({"uptime_seconds": _NUMBER, "waiting_requests": _COUNT}),
    }
    where_redis_answers = {
        "queue": _object({"interactive": lane, "batch": lane, "dead_letters": _COUNT}),
        "pace": _nullable(pace),
        "latency": _object(latency),
        "workers": _object(
            {"living": _COUNT, "converged": _TRUTH, "processes": {"type": "array", "items": _object(worker)}}
        ),
        "champion": _nullable(_object(champion | {"previous": _MAYBE_TEXT})),
        "webhooks": _object(
            {"pending": _COUNT, "due": _COUNT, "oldest_due_seconds": _MAYBE_NUMBER, "deliverers": _COUNT}
        ),
        "training": _object(
            {"state": _TEXT} | {which: {"type": ["object", "null"]} for which in ("current", "next", "last")}
        ),
    }
    version = {"name": _TEXT, "version": _TEXT, "created_at": _MOMENT, "artifact_sha256": _TEXT, "signature": _OPEN}
    version |= {"metrics": _OPEN, "gate": _OPEN, "data": _OPEN, "libraries": _OPEN, "is_champion": _TRUTH}
    former = _object({"version": _TEXT, "promoted_at": _MOMENT})
    models = {"name": _TEXT, "champion": _MAYBE_TEXT}
    models |= {"versions": {"type": "array", "items": _object(version | {"rejected": _MAYBE_TEXT})}}
    return {
        "Health": _object(always | where_redis_answers, len(always)),
        "Versions": _object(models | {"history": {"type": "array", "items": former}}),
        "Pointer": _object({"model": _TEXT, "version": _TEXT, "previous": _MAYBE_TEXT, "promoted_at": _MOMENT}),
        "TrainingRun": _object(
            {
                "model": _TEXT,
                "run_id": _TEXT,
                "status": {"enum": ["queued", "already_queued"]},
                "urls": _object({"health": _TEXT}),
            }
        ),
    }


def _health_paths(manifest: Manifest) -> dict[str, Any]:
    alive = _object({"status": {"const": "alive"}})
    ready = _object({"status": {"enum": ["ready", "not_ready"]}, "detail": _TEXT})
    away = ["no worker process gives a sign of life; accepted jobs wait until one does"]
    health = {"$ref": "#/components/schemas/Health"}
    summary, waits = "Would a job submitted now be answered?", {"status": "not_ready", "detail": away[0]}
    return {
        "/health": {
            "get": operation(
                "health",
                "Queue, latency, workers, champion, training",
                "health",
                {
                    "200": answer(
                        "Jobs are answered; `problems` names what is not as it should be. A report is made at most "
                        "once a second, for all who ask.",
                        health,
                        _health(manifest),
                    ),
                    "503": answer(
                        "Nothing can answer now; the body says why, as far as Redis answers.",
                        health,
                        _health(manifest) | {"status": "unavailable", "problems": away, "workers": _workers([])},
                    ),
                },
            )
        },
        "/readyz": {
            "get": operation(
                "health",
                summary,
                "readyz",
                {
                    "200": answer(
                        "Yes: it was asked as a submit asks.",
                        ready,
                        {"status": "ready", "detail": f"version {manifest.version}"},
                    ),
                    "503": answer("No; the body says why.", ready, waits),
                },
            )
        },
        "/livez": {
            "get": operation(
                "health", "Does the gateway process run?", "livez", {"200": answer("Yes.", alive, {"status": "alive"})}
            )
        },
    }


def _model_paths(manifest: Manifest) -> dict[str, Any]:
    version = {"name": "version", "in": "path", "required": True, "schema": _TEXT}
    admin: dict[str, Any] = {"security": [{"adminKey": []}]}
    pointer = {"model": manifest.name, "version": manifest.version, "previous": _FORMER, "promoted_at": _AT}
    swung = answer("The pointer was swung.", {"$ref": "#/components/schemas/Pointer"}, pointer)
    run = {"model": manifest.name, "run_id": _RUN_ID, "status": "queued", "urls": {"health": "/health"}}
    started = answer("Queued, or queued already.", {"$ref": "#/components/schemas/TrainingRun"}, run)
    listed = answer("Newest first.", {"$ref": "#/components/schemas/Versions"}, _versions(manifest))
    return {
        "/models": {
            "get": operation(
                "models",
                "Every version with metrics, gate verdict and lineage",
                "models",
                {"200": listed},
                errors=(503,),
            )
        },
        "/models/{version}/promote": {
            "post": operation(
                "models",
                "Make a version the champion",
                "promote",
                {"200": swung},
                errors=(401, 403, 404, 409, 503),
                parameters=[version],
            )
            | admin
        },
        "/models/rollback": {
            "post": operation(
                "models", "Put the previous champion back", "rollback", {"200": swung}, errors=(401, 403, 409, 503)
            )
            | admin
        },
        "/retrain": {
            "post": operation(
                "models",
                "Start a training run; where nothing has changed it ends as `unchanged` in /health",
                "retrain",
                {"202": started},
                errors=(400, 401, 403, 503),
                parameters=[FORCE],
            )
            | admin
        },
    }


def _health(manifest: Manifest) -> dict[str, Any]:
    """A report on a service that is well."""
    lane = {"waiting": 0, "in_flight": 0, "oldest_waiting_seconds": None}
    served = {"version": manifest.version, "artifact_sha256": manifest.artifact_sha256}
    served_since = served | {"heartbeat_age_seconds": 0.38, "uptime_seconds": 13.5, "runs": 2}
    workers = [
        {"host": f"{name}-1", "pid": 17, "lane": lane.value, "state": "serving"} | served_since
        for name, lane in (("worker", Lane.INTERACTIVE), ("batches", Lane.BATCH))
    ]
    return {
        "status": "ok",
        "problems": [],
        "redis": {"reachable": True, "latency_ms": 0.34, "memory_used_fraction": 0.002},
        "queue": {"interactive": lane, "batch": lane, "dead_letters": 0},
        "pace": {
            "scorers": 1,
            "batch_scorers": 1,
            "interactive_jobs_per_second": 12019.2,
            "batch_chunks_per_second": 116.8,
        },
        "latency": {"window_seconds": 300, "jobs": 2, "p50_ms": 7.34, "p95_ms": 18.93, "p99_ms": 18.93},
        "workers": _workers(workers),
        "champion": served | {"promoted_at": _AT, "reason": "first start", "previous": None},
        "webhooks": {"pending": 0, "due": 0, "oldest_due_seconds": None, "deliverers": 1},
        "training": {"state": "idle", "current": None, "next": None, "last": None},
        "gateway": {"uptime_seconds": 17.5, "waiting_requests": 0},
    }


def _workers(processes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"living": len(processes), "converged": bool(processes), "processes": processes}


def _versions(manifest: Manifest) -> dict[str, Any]:
    parts = {"name", "version", "created_at", "artifact_sha256", "signature", "metrics", "gate", "data", "libraries"}
    facts = manifest.model_dump(mode="json", include=parts) | {"is_champion": True, "rejected": None}
    former = {"version": _FORMER, "promoted_at": "2026-01-01T00:00:00.000+00:00"}
    return {"name": manifest.name, "champion": manifest.version, "versions": [facts], "history": [former]}


def _object(properties: dict[str, Any], required: int | None = None) -> dict[str, Any]:
    """An object all of whose properties are there, or the first so many."""
    return {"type": "object", "required": list(properties)[:required], "properties": properties}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}
