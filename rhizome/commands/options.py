"""Options that several commands have: where the service is, how to print, and what a submit may ask for."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

url_option = click.option("--url", help="The service's address; else RHIZOME_URL, else the service of this folder.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
ROW_FORMATS = ("csv", "ndjson", "parquet")

_SUBMIT_OPTIONS = (
    click.option("--version", help="Score with this version instead of the champion."),
    click.option("--priority", type=click.IntRange(0, 2), help="0 (most urgent), 1 or 2."),
    click.option("--deadline-ms", type=click.IntRange(min=1), help="The job expires if it is not taken until then."),
    click.option("--return", "returns", type=click.Choice(["label", "probabilities", "both"]), help="The part wanted."),
    click.option("--top-k", type=click.IntRange(min=1), help="Only so many classes, the most probable first."),
    click.option("--webhook", help="Where events are sent."),
    click.option(
        "--webhook-event",
        "webhook_events",
        multiple=True,
        type=click.Choice(["started", "progress", "completed"]),
        help="Which events; may be repeated.",
    ),
    click.option("--idempotency-key", help="Names this request: repeated with the same key it is the same job."),
)


def submit_options(command: F) -> F:
    """Adds the options of every submit; the command gets them as keyword arguments of the client's methods."""
    for option in reversed(_SUBMIT_OPTIONS):
        command = option(command)
    return command


def given_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value not in (None, ())}
