"""`rhizome predict`: one sample, from the command line or as JSON."""

import sys
from typing import Any

import click
import msgspec

from rhizome.client import Job
from rhizome.commands.connection import connected
from rhizome.commands.options import given_options, json_option, submit_options, url_option
from rhizome.commands.printing import job_facts, print_facts, print_json

STDIN = "-"


@click.command()
@click.argument("pairs", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--json-file", metavar="FILE", help="The sample as a JSON object; '-' reads it from standard input.")
@click.option("--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds.")
@click.option("--no-wait", is_flag=True, help="Submit only, and print the job's id.")
@submit_options
@url_option
@json_option
def predict(
    pairs: tuple[str, ...],
    json_file: str | None,
    timeout: float,
    no_wait: bool,
    url: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Predict one sample.

    A VALUE is a number, true, false or null, and otherwise text; text that looks like a number is written in double
    quotes: 'zip="01234"'.

    \b
      rhizome predict sepal_length=5.1 sepal_width=3.5 petal_length=1.4 petal_width=0.2
      echo '{"sepal_length": 5.1, …}' | rhizome predict -
    """
    sample = _read_sample(pairs, json_file)
    with connected(url) as client:
        job = client.submit(sample, **given_options(options))
    if not no_wait:
        with connected(url, job.id) as client:
            job = client.wait(job.id, timeout)
    _show(job, as_json)


def _show(job: Job, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        print_facts(job_facts(job))
    if job.is_final and job.status != "succeeded":
        sys.exit(1)


def _read_sample(pairs: tuple[str, ...], json_file: str | None) -> dict[str, Any]:
    if pairs == (STDIN,):
        pairs, json_file = (), STDIN
    if bool(pairs) == bool(json_file):
        raise click.UsageError("give the sample either as NAME=VALUE … or as --json-file FILE")
    if json_file:
        return _read_json(json_file)
    sample = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise click.UsageError(f"'{pair}' is not NAME=VALUE")
        sample[name] = _read_value(value)
    return sample


def _read_json(name: str) -> dict[str, Any]:
    try:
        with click.open_file(name, "rb") as file:
            return msgspec.json.decode(file.read(), type=dict[str, Any])
    except OSError as error:
        raise click.UsageError(f"{name} cannot be read: {error.strerror}") from None
    except msgspec.DecodeError:
        raise click.UsageError(f"{name} is not one JSON object; 'rhizome batch' takes many samples") from None


def _read_value(text: str) -> Any:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return text if isinstance(value, dict | list) else value
