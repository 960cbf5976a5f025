"""`rhizome health` and `rhizome models`: how the service is, and what it has learnt."""

import sys
from typing import Any

import click

from rhizome.client import Health, Version
from rhizome.commands.connection import UNAVAILABLE, connected
from rhizome.commands.options import json_option, url_option
from rhizome.commands.printing import print_facts, print_json, table

_MAX_METRICS = 4  #: columns that fit on a terminal
_WORKER_FACTS = ("lane", "state", "version")
_BOUNDS = ("_low", "_high")  #: of confidence intervals


@click.command()
@url_option
@json_option
def health(url: str | None, as_json: bool) -> None:
    """Show how the service is; the exit code is 5 where it cannot answer predictions."""
    with connected(url) as client:
        report = client.health()
    if as_json:
        print_json(report.document)
    else:
        print_facts(_health_facts(report))
    if report.status == "unavailable":
        sys.exit(UNAVAILABLE)


@click.command()
@url_option
@json_option
def models(url: str | None, as_json: bool) -> None:
    """List the versions with their metrics, newest first; '*' marks the champion."""
    with connected(url) as client:
        listing = client.models()
    if as_json:
        print_json(listing.document)
        return
    found = {name for version in listing.versions for name in version.metrics}
    names = sorted(name for name in found if not name.endswith(_BOUNDS))[:_MAX_METRICS]
    rows = [_version_row(version, names) for version in listing.versions]
    click.echo(f"model {listing.name}")
    click.echo(table([["", "version", "created", "gate", *names], *rows]))


def _version_row(version: Version, names: list[str]) -> list[str]:
    gate = "passed" if version.gate.get("passed") else "refused"
    metrics = [f"{version.metrics[name]:.4g}" if name in version.metrics else "" for name in names]
    mark = "*" if version.is_champion else ""
    return [mark, version.version, version.created_at[:19], "rejected" if version.rejected else gate, *metrics]


def _health_facts(report: Health) -> list[tuple[str, Any]]:
    document = report.document
    champion, workers = document.get("champion") or {}, document.get("workers") or {}
    latency, training = document.get("latency") or {}, document.get("training") or {}
    lanes = [(name, lane) for name, lane in (document.get("queue") or {}).items() if isinstance(lane, dict)]
    return [
        ("status", report.status),
        ("problems", "\n".join(report.problems) or None),
        ("champion", champion.get("version")),
        ("workers", table([_worker_row(worker) for worker in workers.get("processes", ())]) if workers else None),
        ("queue", table([_lane_row(name, lane) for name, lane in lanes]) if lanes else None),
        ("latency", _latency_line(latency)),
        ("training", _training_line(training)),
    ]


def _worker_row(worker: dict[str, Any]) -> list[str]:
    return [f"{worker.get('host')}:{worker.get('pid')}", *(str(worker.get(fact)) for fact in _WORKER_FACTS)]


def _lane_row(name: str, lane: dict[str, Any]) -> list[str]:
    return [name, f"{lane.get('waiting')} waiting", f"{lane.get('in_flight')} in flight"]


def _latency_line(latency: dict[str, Any]) -> str | None:
    if latency.get("p50_ms") is None:
        return None
    percentiles = ", ".join(f"{name} {latency.get(f'{name}_ms')} ms" for name in ("p50", "p95", "p99"))
    return f"{percentiles} ({latency.get('jobs')} jobs in {latency.get('window_seconds')} s)"


def _training_line(training: dict[str, Any]) -> str | None:
    last = training.get("last")
    if not training:
        return None
    return f"{training.get('state')}" + (f", last: {last.get('outcome')} {last.get('version', '')}" if last else "")
