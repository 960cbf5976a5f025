"""Reading a request's body, preferences and parameters; every refusal names the field and the remedy."""

import hashlib
import math
import re
from collections.abc import Sequence
from contextlib import ExitStack

from flask import Flask, Response, abort, g, request
from werkzeug.http import parse_list_header

from gateway.json_memory import LIGHT_BYTES
from gateway.service import service
from rhizome.errors import InvalidRequest
from rhizome.job_queue.terms import Idempotency

#: Any key becomes a digest of this length, so that no key of Redis is of a caller's making.
_DIGEST_BYTES = 20
_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")
#: As `curl --data` and clients of the inference protocol send JSON.
_UNTYPED = ("", "application/octet-stream", "application/x-www-form-urlencoded")
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_FRACTIONAL_SECONDS = re.compile(r"\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,3})?", re.ASCII)


def read_json_body(*, most: int, may_be_untyped: bool = False, also: str | None = None, or_else: str = "") -> bytes:
    """The raw body of a JSON request.

    Args:
        most: bytes of a body.
        may_be_untyped: accept a body without a content type, as clients of the inference protocol send it.
        also: another content type that is accepted.
        or_else: where else other content types are taken.

    Raises:
        InvalidRequest: the content type is not JSON, or the content is encoded.
    """
    mimetype = request.mimetype
    is_json = mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))
    if not is_json and mimetype != also and not (may_be_untyped and mimetype in _UNTYPED):
        raise InvalidRequest(
            f"the content type is '{mimetype[:64] or 'missing'}'; send Content-Type: application/json{or_else}",
            code="unsupported_media_type",
        )
    if request.headers.get("Content-Encoding", "").lower() not in ("", "identity"):
        raise InvalidRequest("encoded bodies are not accepted; send plain JSON", code="unsupported_media_type")
    request.max_content_length = most
    length = request.content_length
    _keep_body(min(length or 0, most))
    body = request.get_data(cache=False)
    _keep_body(len(body))  # of a length that the sender did not say
    # Werkzeug cuts a body without a length at the bound and says nothing.
    if length is None and len(body) >= most:
        abort(413)
    return body


def _keep_body(size: int) -> None:
    """Takes room for a body of so many bytes until the end of the request.

    Raises:
        TooManyWaiters: there is none for now.
    """
    if size > LIGHT_BYTES and "body_room" not in g:
        g.body_room = ExitStack()
        g.body_room.enter_context(service().json_memory.keeping(size))


def release_bodies(app: Flask) -> None:
    """Gives the room of each request's body back at its end."""

    @app.teardown_appcontext
    def release(_: BaseException | None) -> None:
        g.pop("body_room", ExitStack()).close()


def read_wait_seconds(most: float, unless_said: float = 0.0) -> float:
    """How long the caller would wait for the result: `?wait=N`, else `Prefer: wait=N`, else `unless_said`.

    `Prefer: respond-async` alone means not to wait. A preference that cannot be understood is ignored, as RFC 7240
    (section 2) asks; a parameter is refused.

    Args:
        most: seconds that nobody waits longer than.
        unless_said: seconds for a caller who says nothing.

    Raises:
        InvalidRequest: `?wait` is not a number of seconds.
    """
    given = request.args.get("wait")
    if given is None:
        preferred = _preferences()
        value = preferred.get("wait", "")
        if _SECONDS.fullmatch(value):
            return min(float(value), most)
        return 0.0 if "respond-async" in preferred else unless_said
    if not _FRACTIONAL_SECONDS.fullmatch(given) or not math.isfinite(float(given)):
        raise _bad_parameter("wait", "is not a number of seconds", f"send 0 to {most:g}")
    return min(float(given), most)


def is_async_preferred() -> bool:
    """True where the caller asks for a receipt rather than to be kept waiting (RFC 7240, section 4.1)."""
    return "respond-async" in _preferences()


def acknowledge_preferences(response: Response, waited_seconds: float) -> Response:
    """Names the preferences that were applied (RFC 7240, section 3): the wait, unless `?wait` decided it, and a 202.

    Args:
        response: to be sent; it is changed.
        waited_seconds: how long was waited at most; 0 where nobody waited, whatever was preferred.
    """
    preferred = _preferences()
    applied = []
    if "respond-async" in preferred and response.status_code == 202:
        applied.append("respond-async")
    if waited_seconds and "wait" not in request.args and _SECONDS.fullmatch(preferred.get("wait", "")):
        applied.append(f"wait={waited_seconds:g}")
    if applied:
        response.headers["Preference-Applied"] = ", ".join(applied)
        response.headers["Vary"] = "Prefer"
    return response


def is_wait_said() -> bool:
    """True where the caller says how long to wait, by `?wait` or `Prefer: wait=N`."""
    return "wait" in request.args or bool(_SECONDS.fullmatch(_preferences().get("wait", "")))


def _preferences() -> dict[str, str]:
    """The first of each name's preferences; their parameters (after a `;`) are none of ours."""
    found: dict[str, str] = {}
    if "Prefer" not in request.headers:
        return found
    for preference in parse_list_header(",".join(request.headers.getlist("Prefer"))):
        name, _, value = preference.partition(";")[0].partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        found.setdefault(name.strip().lower(), value)
    return found


def read_count(name: str, default: int, least: int, most: int) -> int:
    """A whole number from the query string.

    Raises:
        InvalidRequest: it is none, or outside `least` to `most`.
    """
    given = request.args.get(name)
    if given is None:
        return default
    if not re.fullmatch(r"\d{1,9}", given, re.ASCII) or not least <= int(given) <= most:
        raise _bad_parameter(name, "is not a whole number in range", f"send {least} to {most}")
    return int(given)


def read_flag(name: str) -> bool:
    """A parameter of the query string that is on or off; off where it is not there.

    Raises:
        InvalidRequest: it is neither.
    """
    given = request.args.get(name, "false")
    if given not in ("true", "false"):
        raise _bad_parameter(name, "is neither on nor off", "send true or false")
    return given == "true"


def read_idempotency(body: bytes) -> Idempotency | None:
    """The `Idempotency-Key` with a fingerprint of this request: method, path, parameters but for `wait`, and body.

    Raises:
        InvalidRequest: the key is empty, too long, or not printable ASCII.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    return make_idempotency(key, request.path, list(request.args.items(multi=True)), body)


def make_idempotency(key: str, path: str, parameters: Sequence[tuple[str, str]], body: bytes) -> Idempotency:
    """The same, of a request by its parts.

    Raises:
        InvalidRequest: the key is empty, too long, or not printable ASCII.
    """
    if not _KEY.fullmatch(key):
        raise _bad_parameter(
            "Idempotency-Key", "is not 1 to 255 printable ASCII characters", "send a UUID, for example"
        )
    counted = sorted((name, value) for name, value in parameters if name != "wait")
    fingerprint = hashlib.blake2b(repr((path, counted)).encode(), digest_size=_DIGEST_BYTES)
    fingerprint.update(body)
    return Idempotency(hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES).hexdigest(), fingerprint.hexdigest())


def _bad_parameter(name: str, problem: str, remedy: str) -> InvalidRequest:
    return InvalidRequest(
        f"the parameter '{name}' {problem}; {remedy}",
        code="bad_parameter",
        problems=({"field": name, "problem": problem, "remedy": remedy},),
    )
