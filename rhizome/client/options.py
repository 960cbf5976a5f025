"""What a submit may ask for besides its rows; it is sent in the query string, where no feature can be meant."""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from rhizome.client.errors import InvalidInput, Problem

#: What the service takes as a key, and what a header can carry.
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
#: The option's name in the query string, where it is another one than in Python.
_WIRE_NAMES = {"returns": "return"}


class Options(TypedDict, total=False):
    """Options of every submit; None is as good as absent.

    Attributes:
        version: score with this version instead of the champion.
        priority: 0 (most urgent), 1 or 2.
        deadline_ms: the job expires if nothing has taken it this long after its acceptance.
        returns: the part of the answer that is wanted.
        top_k: only so many classes, the most probable first.
        webhook: where events are sent.
        webhook_events: `started`, `progress`, `completed`.
        idempotency_key: names this request; repeated with the same key it is the same job. Made anew if absent.
    """

    version: str | None
    priority: int | None
    deadline_ms: int | None
    returns: Literal["label", "probabilities", "both"] | None
    top_k: int | None
    webhook: str | None
    webhook_events: Sequence[str] | None
    idempotency_key: str | None


class BatchOptions(Options, total=False):
    """Options of a batch.

    Attributes:
        error_threshold: more failed rows than this fail the job; -1 for any number.
    """

    error_threshold: int | None


def split_options(given: Mapping[str, Any], known: type[Options]) -> tuple[dict[str, str], dict[str, str]]:
    """The query string and the headers of a submit.

    Raises:
        TypeError: an option is none of `known`.
        InvalidInput: the idempotency key cannot be sent.
    """
    if unknown := set(given) - set(known.__annotations__) - set(Options.__annotations__):
        raise TypeError(f"{sorted(unknown)[0]!r} is no option; there are: {', '.join(known.__annotations__)}")
    params = {_WIRE_NAMES.get(name, name): _text(value) for name, value in given.items() if value is not None}
    key = params.pop("idempotency_key", uuid.uuid4().hex)
    if not _KEY.fullmatch(key):
        problem = "is not 1 to 255 printable ASCII characters without spaces around them"
        raise InvalidInput(
            "the request cannot be sent as it is",
            problems=[Problem("idempotency_key", problem, "send a UUID, for example")],
        )
    return params, {"Idempotency-Key": key}


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else ",".join(value)
