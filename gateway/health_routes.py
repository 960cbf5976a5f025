"""Health for people, for load balancers and for restarters."""

from flask import Blueprint, Response

from gateway.documents import encode
from gateway.service import service

JSON = "application/json"
LIVEZ = "/livez"
ALIVE = encode({"status": "alive"})

blueprint = Blueprint("health", __name__)


@blueprint.get(LIVEZ)
def livez() -> Response:
    """The gateway process runs; says nothing of Redis or the workers."""
    return Response(ALIVE, 200, content_type=JSON)


@blueprint.get("/readyz")
def readyz() -> Response:
    """200 when a job submitted now would be answered, else 503."""
    is_ready, detail = service().health.is_ready()
    return _uncached(encode({"status": "ready" if is_ready else "not_ready", "detail": detail}), is_ready)


@blueprint.get("/health")
def health() -> Response:
    """Everything an on-call engineer asks first; 503 when nothing can answer."""
    can_answer, report = service().health.report()
    return _uncached(encode(report), can_answer)


def _uncached(body: bytes, is_well: bool) -> Response:
    response = Response(body, 200 if is_well else 503, content_type=JSON)
    response.headers["Cache-Control"] = "no-store"
    return response
