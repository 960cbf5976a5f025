"""Versions and training: anyone may look, only the holder of the admin key may change something."""

import hmac
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps

from flask import Blueprint, Response, g, request

from gateway.documents import encode
from gateway.problems import problem
from gateway.requests import read_flag
from gateway.service import service
from rhizome import keys
from rhizome.errors import PromotionRefused
from rhizome.registry import Pointer
from rhizome.task_message import ANNOUNCE_TASK, build_task_message
from rhizome.training_runs import request_run

JSON = "application/json"

blueprint = Blueprint("admin", __name__)
log = logging.getLogger(__name__)


def needs_admin_key(route: Callable[..., Response]) -> Callable[..., Response]:
    """Refuses callers without `Authorization: Bearer <admin key>`."""

    @wraps(route)
    def guarded(**kwargs: str) -> Response:
        key = service().settings.admin_key
        if key is None:
            return problem(
                "admin_switched_off",
                "this deployment has no admin key, so nothing can be changed over HTTP; set RHIZOME_ADMIN_KEY",
            )
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode(), key.get_secret_value().encode())
        if scheme.lower() != "bearer" or not is_right:
            detail = "send the admin key as Authorization: Bearer <key>"
            return problem("admin_key_required", detail, headers={"WWW-Authenticate": "Bearer"})
        return route(**kwargs)

    return guarded


@blueprint.get("/models")
def models() -> Response:
    """Every version with its metrics, gate verdict and lineage, newest first."""
    here = service()
    champion = here.registry.champion()
    rejected = here.registry.rejected()
    versions = []
    for manifest in here.registry.versions():
        facts = manifest.model_dump(mode="json", exclude={"golden", "drift_reference", "hmac_sha256"})
        facts["is_champion"] = champion is not None and champion.version == manifest.version
        facts["rejected"] = rejected.get(manifest.version)
        versions.append(facts)
    body = {
        "name": here.registry.model_name,
        "champion": champion.version if champion else None,
        "versions": versions,
        "history": [
            {"version": former.version, "promoted_at": former.promoted_at} for former in here.registry.history()
        ],
    }
    return Response(encode(body), 200, content_type=JSON)


@blueprint.post("/models/<version>/promote")
@needs_admin_key
def promote(version: str) -> Response:
    """Makes a version that passed its gate the champion; workers reload while they serve."""
    registry = service().registry
    manifest = registry.manifest(version)
    if not manifest.gate.get("passed"):
        raise PromotionRefused(
            f"version {version} did not pass its gate; GET /models shows why, 'rhizome promote --force' overrules it"
        )
    return _swung(registry.promote(version, reason="promoted over HTTP"))


@blueprint.post("/models/rollback")
@needs_admin_key
def roll_back() -> Response:
    """Puts the previous champion back."""
    return _swung(service().registry.roll_back(reason="rolled back over HTTP"))


@blueprint.post("/retrain")
@needs_admin_key
def retrain() -> Response:
    """Asks for a training run, or names the one that is queued already; `?force=true` trains though nothing changed."""
    here, force = service(), read_flag("force")
    run_id, created = request_run(here.redis, "requested over HTTP", datetime.now(UTC), force=force)
    log.info("retrain_requested", extra={"run_id": run_id, "is_new": created, "request_id": g.request_id})
    body = {
        "model": here.registry.model_name,
        "run_id": run_id,
        "status": "queued" if created else "already_queued",
        "urls": {"health": "/health"},
    }
    response = Response(encode(body), 202, content_type=JSON)
    response.headers["Location"] = "/health"
    return response


def _swung(pointer: Pointer) -> Response:
    """The pointer is swung; the trainer writes its journal and broadcasts the hint, workers look each second anyway."""
    service().redis.lpush(keys.TRAINING_QUEUE, build_task_message(ANNOUNCE_TASK, keys.TRAINING_QUEUE))
    log.info("champion_changed", extra={"version": pointer.version, "request_id": g.request_id})
    body = {
        "model": service().registry.model_name,
        "version": pointer.version,
        "previous": pointer.previous or None,
        "promoted_at": pointer.promoted_at,
    }
    return Response(encode(body), 200, content_type=JSON)
