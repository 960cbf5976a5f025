"""`/docs` (Swagger UI from local files) and `/openapi.json` (built from the live champion's signature)."""

from importlib import resources
from pathlib import PurePosixPath

from flask import Blueprint, Response, abort, redirect
from werkzeug.wrappers import Response as BaseResponse

from gateway.documents import encode
from gateway.openapi import build_openapi
from gateway.service import service

#: Everything the page loads comes from here; the styles Swagger UI sets on elements and its inline icons are let pass.
CONTENT_SECURITY_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
}
_ASSETS = frozenset(
    {
        "docs.js",
        "swagger-ui/favicon-32x32.png",
        "swagger-ui/swagger-ui-bundle.js",
        "swagger-ui/swagger-ui.css",
    }
)

blueprint = Blueprint("documentation", __name__)


@blueprint.get("/")
def home() -> BaseResponse:
    """The documentation is the front page."""
    return redirect("/docs")


@blueprint.get("/docs")
def docs() -> Response:
    """The interface, to read and to try."""
    response = _read("docs.html")
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


@blueprint.get("/docs/assets/<path:name>")
def asset(name: str) -> Response:
    """One of the files `/docs` needs."""
    if name not in _ASSETS:
        abort(404)
    response = _read(name)
    response.headers["Cache-Control"] = "max-age=3600"
    return response


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The interface as an OpenAPI 3.1 document."""
    here = service()
    body = build_openapi(here.champion.champion(), max_rows=here.settings.max_batch_rows)
    return Response(encode(body), 200, content_type="application/json")


def _read(name: str) -> Response:
    path = PurePosixPath(name)
    content = resources.files("gateway").joinpath("static", *path.parts).read_bytes()
    return Response(content, 200, content_type=_TYPES[path.suffix])
