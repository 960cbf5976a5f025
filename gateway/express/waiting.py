"""How long a plain request would wait, as its query or its `Prefer` says in the usual form."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

_QUERY = re.compile(r"wait=(\d{1,9}(?:\.\d{1,9})?)", re.ASCII)
_PREFERENCE = re.compile(r"wait=(\d{1,9})", re.ASCII)


class Wait(NamedTuple):
    """Seconds to wait at most; 0 for not at all. And whether a preference said so, which is then acknowledged."""

    seconds: float
    is_preference: bool

    def acknowledge(self) -> list[tuple[str, str]]:
        """The headers of a response to a request that waited."""
        if not self.is_preference:
            return []
        return [("Preference-Applied", f"wait={self.seconds:g}"), ("Vary", "Prefer")]


NO_WAIT = Wait(0.0, is_preference=False)


@lru_cache(maxsize=256)
def _parse(query: str, preference: str | None, most: float) -> Wait | None:
    if query:
        match = _QUERY.fullmatch(query)
        return Wait(min(float(match[1]), most), is_preference=False) if match and preference is None else None
    if preference is None:
        return NO_WAIT
    match = _PREFERENCE.fullmatch(preference)
    if match is None:
        return None
    seconds = min(float(match[1]), most)
    return Wait(seconds, is_preference=seconds > 0)


def read_wait(scope: Mapping[str, Any], most: float) -> Wait | None:
    """The wait that a request asks for, as `gateway.requests.read_wait_seconds` has it; None for what is not plain."""
    return _parse(scope["QUERY_STRING"], scope.get("HTTP_PREFER"), most)
