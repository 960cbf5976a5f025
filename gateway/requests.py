"""Reading a request's body, preferences and parameters; every refusal names the field and the remedy."""

import math
import re

from flask import request

from rhizome.errors import InvalidRequest

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?=$|[,;\s])", re.IGNORECASE)


def read_json_body() -> bytes:
    """The raw body of a JSON request.

    Raises:
        InvalidRequest: the content type is not JSON, or the content is encoded.
    """
    mimetype = request.mimetype
    if mimetype != "application/json" and not (mimetype.startswith("application/") and mimetype.endswith("+json")):
        raise InvalidRequest(
            f"the content type is '{mimetype[:64] or 'missing'}'; send Content-Type: application/json",
            code="unsupported_media_type",
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise InvalidRequest("encoded bodies are not accepted; send plain JSON", code="unsupported_media_type")
    return request.get_data(cache=False)


def read_wait_seconds(most: float) -> float:
    """How long the caller would wait for the result: `?wait=N`, else `Prefer: wait=N`, else 0; `most` at the most.

    A preference that cannot be understood is ignored, as RFC 7240 (section 2) asks; a parameter is refused.

    Raises:
        InvalidRequest: `?wait` is not a number of seconds.
    """
    given = request.args.get("wait")
    if given is None:
        preferred = _WAIT.search(",".join(request.headers.getlist("Prefer")))
        return min(float(preferred.group(1)), most) if preferred else 0.0
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise _bad_parameter("wait", "is not a number of seconds", f"send 0 to {most:g}")
    return min(seconds, most)


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


def is_wait_preferred() -> bool:
    """True where the wait came from `Prefer`, whose use must be acknowledged."""
    return "wait" not in request.args and "Prefer" in request.headers


def _bad_parameter(name: str, problem: str, remedy: str) -> InvalidRequest:
    return InvalidRequest(
        f"the parameter '{name}' {problem}; {remedy}",
        code="bad_parameter",
        problems=({"field": name, "problem": problem, "remedy": remedy},),
    )
