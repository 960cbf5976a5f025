"""What a submit may ask for besides its rows: a version, urgency, a deadline, part of the answer, a webhook.

Options stand in the query string, at the top level of a JSON body or in a form. Where a feature has an option's name,
only the query can mean the option.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from flask import request
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from rhizome.errors import InvalidRequest
from rhizome.jobs import DEFAULT_PRIORITY, PRIORITIES, Returns
from rhizome.webhooks.events import DEFAULT_EVENTS, Event
from rhizome.webhooks.targets import MAX_URL_CHARACTERS, USUAL_URL

PRIORITY_HEADER = "X-Priority"
MAX_DEADLINE_MS = 7 * 24 * 3600 * 1000
MAX_TOP_K = 1_000_000
MAX_NAME_CHARACTERS = 64  #: of a version


def _to_whole(value: Any) -> Any:
    """JSON knows one kind of number: 3.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _whole(least: int, most: int) -> Any:
    return Annotated[int, Field(ge=least, le=most), BeforeValidator(_to_whole)]


_ANNOTATIONS: dict[str, Any] = {
    "version": Annotated[str, Field(max_length=MAX_NAME_CHARACTERS)],
    "priority": _whole(PRIORITIES[0], PRIORITIES[-1]),
    "deadline_ms": _whole(1, MAX_DEADLINE_MS),
    "return": Literal["label", "probabilities", "both"],
    "top_k": _whole(1, MAX_TOP_K),
    "webhook": Annotated[
        str, Field(min_length=1, max_length=MAX_URL_CHARACTERS, json_schema_extra={"pattern": USUAL_URL})
    ],
    "webhook_events": Annotated[list[Literal["started", "progress", "completed"]], Field(min_length=1, max_length=3)],
    "error_threshold": _whole(-1, 2**31),
}
#: Of batches only: a single job's one row is the job.
_BATCH_ONLY = "error_threshold"

#: What to send, by option.
REMEDIES = {
    "version": "send a version's name; GET /models lists them",
    "priority": "send 0 (most urgent), 1 or 2",
    "deadline_ms": f"send a whole number of milliseconds from 1 to {MAX_DEADLINE_MS}",
    "return": "send 'label', 'probabilities' or 'both'",
    "top_k": "send a whole number from 1 on",
    "webhook": f"send an http or https address of at most {MAX_URL_CHARACTERS} characters",
    "webhook_events": f"send one or more of {', '.join(Event)}",
    "error_threshold": "send the number of rows that may fail, or -1 for any number",
}

#: Of the attributes that hold options, so that no feature's can be one of them.
OPTION_PREFIX = "option_"
#: Fields of the Pydantic models that read a body: of a single sample, and of a batch.
SINGLE_FIELDS: dict[str, Any] = {
    f"{OPTION_PREFIX}{name}": (annotation | None, Field(default=None, alias=name))
    for name, annotation in _ANNOTATIONS.items()
    if name != _BATCH_ONLY
}
BATCH_FIELDS: dict[str, Any] = SINGLE_FIELDS | {
    f"{OPTION_PREFIX}{_BATCH_ONLY}": (_ANNOTATIONS[_BATCH_ONLY] | None, Field(default=None, alias=_BATCH_ONLY))
}
_ADAPTERS = {name: TypeAdapter(annotation) for name, annotation in _ANNOTATIONS.items()}


class JobOptions(NamedTuple):
    """What a submit asks for; the defaults are those of a submit that asks for nothing.

    Attributes:
        version: the version to score with; None for the champion.
        priority: 0 to 2, the smaller the more urgent.
        deadline_ms: after acceptance; 0 for none.
        returns: which part of each answer.
        top_k: only the k most probable classes; 0 for all.
        webhook: where events are sent; empty for nowhere.
        webhook_events: which events.
        error_threshold: more failed rows than this fail a batch job; -1 for any number.
    """

    version: str | None = None
    priority: int = DEFAULT_PRIORITY
    deadline_ms: int = 0
    returns: str = Returns.BOTH.value
    top_k: int = 0
    webhook: str = ""
    webhook_events: tuple[str, ...] = DEFAULT_EVENTS
    error_threshold: int = -1


_DEFAULTS = JobOptions()


def read_options(in_body: Mapping[str, Any]) -> JobOptions:
    """The options of the present request: those of its body, overruled by its query string and `X-Priority`.

    Args:
        in_body: validated options of the body, by name.

    Raises:
        InvalidRequest: a parameter cannot be what it is meant to be.
    """
    given = dict(in_body)
    if PRIORITY_HEADER in request.headers:
        given["priority"] = parse_option("priority", request.headers[PRIORITY_HEADER], shown=PRIORITY_HEADER)
    if request.args:
        given |= {name: parse_option(name, request.args[name]) for name in _ADAPTERS if name in request.args}
    return make_options(given)


def make_options(given: Mapping[str, Any]) -> JobOptions:
    """Validated options by name, as one value."""
    if not given:
        return _DEFAULTS
    values = {"returns" if name == "return" else name: value for name, value in given.items()}
    if "webhook_events" in values:
        values["webhook_events"] = tuple(dict.fromkeys(values["webhook_events"]))
    return JobOptions(**values)


def accepts_option(name: str, value: Any) -> bool:
    """Whether a value from JSON is one of an option's."""
    try:
        _ADAPTERS[name].validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def parse_option(name: str, text: str, *, shown: str | None = None) -> Any:
    """An option from a query string, a header or a form.

    Args:
        name: the option's.
        text: as it was sent; several events are separated by commas.
        shown: what the caller calls it, if not by `name`.

    Raises:
        InvalidRequest: with code `bad_parameter`.
    """
    adapter = _ADAPTERS[name]
    try:
        if name == "webhook_events":
            return adapter.validate_python([part.strip() for part in text.split(",")])
        return adapter.validate_strings(text)
    except ValidationError:
        field = shown or name
        raise InvalidRequest(
            f"'{field}' is not usable; {REMEDIES[name]}",
            code="bad_parameter",
            problems=({"field": field, "problem": "is not an accepted value", "remedy": REMEDIES[name]},),
        ) from None
