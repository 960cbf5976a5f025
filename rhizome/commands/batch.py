"""`rhizome batch`: the rows of a file, answered into a file or onto standard output."""

import math
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec

from rhizome.client import Client, Job
from rhizome.client.bodies import CONTENT_TYPES, format_of
from rhizome.commands.connection import connected
from rhizome.commands.options import ROW_FORMATS, given_options, json_option, submit_options, url_option
from rhizome.commands.printing import job_facts, print_facts, print_json


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where the answers go.")
@click.option("--format", type=click.Choice(ROW_FORMATS), help="Of the answers; by the output's name, else ndjson.")
@click.option("--input-format", type=click.Choice(ROW_FORMATS), help="Of FILE; by its name if not given.")
@click.option("--timeout", type=click.FloatRange(min=0), default=math.inf, help="Seconds; else as long as it takes.")
@click.option("--no-wait", is_flag=True, help="Submit only, and print the job's id.")
@click.option("--error-threshold", type=click.IntRange(min=-1), help="More failed rows than this fail the job.")
@submit_options
@url_option
@json_option
def batch(
    file: Path,
    output: Path | None,
    format: str | None,
    input_format: str | None,
    timeout: float,
    no_wait: bool,
    url: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Predict the rows of FILE: .csv, .ndjson, .jsonl or .parquet, also with .gz or .zst.

    Without --output the answers go to standard output. Ctrl-C leaves the job alone and says how to come back to it.

    \b
      rhizome batch flowers.csv -o answers.parquet
    """
    check_target(output, format, as_json)
    with connected(url) as client:
        job = client.submit_batch(file, format=input_format, progress=not as_json, **given_options(options))
    if no_wait:
        show_job(job, as_json)
        return
    with connected(url, job.id) as client:
        job = client.wait_batch(job.id, timeout, progress=not as_json)
        deliver(client, job, output, format, as_json)


def check_target(output: Path | None, format: str | None, as_json: bool) -> None:
    """Refuses, before there is any work, a place where answers cannot go. Arguments as of `deliver`.

    Raises:
        click.UsageError: naming what is wrong with it.
    """
    if output is None:
        if format == "parquet" and not as_json and sys.stdout.isatty():
            raise click.UsageError("parquet is nothing for a terminal; give --output")
        return
    if (format or format_of(output)) not in CONTENT_TYPES:
        raise click.UsageError(
            f"the name '{output}' says no format; end it in .csv, .ndjson or .parquet, or add --format"
        )
    if not output.parent.is_dir():
        raise click.UsageError(f"there is no folder '{output.parent}'; make it first")
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise click.UsageError(f"the folder '{output.parent}' cannot be written; choose another")


def deliver(client: Client, job: Job, output: Path | None, format: str | None, as_json: bool) -> None:
    """Writes a final job's answers where they are wanted, and ends the process where there are none.

    Args:
        client: of the service.
        job: final.
        output: a file; None for standard output.
        format: one of `ROW_FORMATS`; None for the output's own, on standard output NDJSON.
        as_json: print one document: the job, with its answers unless these go to a file.
    """
    if job.status != "succeeded":
        show_job(job, as_json)
        sys.exit(1)
    if output is not None:
        client.download(job.id, output, format)
        show_job(job, as_json)
    elif as_json:
        print_json(msgspec.structs.replace(job, results=tuple(client.rows(job.id))))
    elif format is None:
        for answer in client.rows(job.id):
            click.echo(msgspec.json.encode(answer))
    else:
        _print_file(client, job.id, format)
    if job.counts.failed:
        click.echo(f"rhizome: {job.counts.failed} of {job.counts.total} rows failed; their answers say why", err=True)


def show_job(job: Job, as_json: bool) -> None:
    """The job without its answers."""
    if as_json:
        print_json(msgspec.structs.replace(job, results=None))
    else:
        print_facts(job_facts(job))


def _print_file(client: Client, job_id: str, format: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        answers_path = client.download(job_id, Path(folder) / "answers", format)
        with answers_path.open("rb") as answers:
            shutil.copyfileobj(answers, sys.stdout.buffer)
