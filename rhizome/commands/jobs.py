"""`rhizome result` and `rhizome cancel`: jobs that were submitted before."""

import sys
from pathlib import Path

import click

from rhizome.client import Conflict
from rhizome.commands.batch import check_target, deliver, show_job
from rhizome.commands.connection import connected
from rhizome.commands.options import ROW_FORMATS, json_option, url_option
from rhizome.commands.printing import job_facts, print_facts, print_json


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--wait", type=click.FloatRange(min=0), help="Wait so many seconds for the job to finish.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Save a batch's answers.")
@click.option("--format", type=click.Choice(ROW_FORMATS), help="Of the answers; by the output's name if not given.")
@url_option
@json_option
def result(
    job_id: str, wait: float | None, output: Path | None, format: str | None, url: str | None, as_json: bool
) -> None:
    """Show the job ID, or save its answers.

    \b
      rhizome result agraurejanttdvp2ynr2qvlixzy4upte --wait 60 -o answers.csv
    """
    check_target(output, format, as_json)
    with connected(url, job_id if wait else None) as client:
        job = client.wait_batch(job_id, wait, progress=not as_json) if wait else client.result(job_id)
        if output or format:
            if not job.is_final:
                raise Conflict(f"the job is {job.status}; add --wait SECONDS", code="job_not_finished")
            deliver(client, job, output, format, as_json)
            return
    if as_json:
        print_json(job)
    else:
        print_facts(job_facts(job))
    if job.is_final and job.status != "succeeded":
        sys.exit(1)


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--purge", is_flag=True, help="Remove it for good, also once it is final, with its answers and files.")
@url_option
@json_option
def cancel(job_id: str, purge: bool, url: str | None, as_json: bool) -> None:
    """Cancel the job ID: at once while it waits, a running batch at its next part."""
    with connected(url) as client:
        if purge:
            client.purge(job_id)
            if as_json:
                print_json({"id": job_id, "purged": True})
            else:
                print_facts([("purged", job_id)])
            return
        job = client.cancel(job_id)
    show_job(job, as_json)
