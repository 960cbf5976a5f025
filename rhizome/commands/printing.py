"""Results on standard output: aligned and plain for people, one JSON document for machines."""

from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec

from rhizome.client import Answer, Job

_INDENT = 2


def print_json(document: Any) -> None:
    """One JSON document and nothing else."""
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=_INDENT))


def print_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Names and values in two columns; what is None is left out, further lines of a value are aligned."""
    shown = [(name, str(value).splitlines() or [""]) for name, value in facts if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    for name, lines in shown:
        for index, line in enumerate(lines):
            click.echo(f"{name if index == 0 else '':<{width}}  {line}".rstrip())


def table(rows: Sequence[Sequence[Any]]) -> str:
    """Rows in aligned columns."""
    texts = [["" if value is None else str(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in texts
    )


def answer_facts(answer: Answer, prefix: str = "") -> list[tuple[str, Any]]:
    """One answer for people; several outputs one after the other."""
    facts: list[tuple[str, Any]] = [(f"{prefix}label", answer.label), (f"{prefix}value", answer.value)]
    if answer.probabilities:
        rows = [(name, f"{probability:.4g}") for name, probability in answer.probabilities.items()]
        facts.append((f"{prefix}probabilities", table(rows)))
    for target, output in (answer.outputs or {}).items():
        facts += answer_facts(output, f"{prefix}{target} ")
    return facts


def job_facts(job: Job) -> list[tuple[str, Any]]:
    """A job for people, but for the answers of a batch."""
    counts, timings = job.counts, job.timings
    is_batch = job.kind == "batch"
    return [
        ("status", job.status),
        *(answer_facts(job.result) if job.result else ()),
        ("error", f"{job.error.code}: {job.error.detail}" if job.error else None),
        ("rows", f"{counts.done} of {counts.total} done, {counts.failed} failed" if is_batch else None),
        ("queue position", None if job.is_final else job.queue_position),
        ("expected in", None if job.is_final or job.eta_ms is None else f"{job.eta_ms:.0f} ms"),
        ("took", f"{timings.total_ms:.1f} ms" if timings and timings.total_ms is not None else None),
        ("version", job.version),
        ("job", job.id),
    ]
