"""Promotions under load: what they cost those who wait, and how soon every worker answers with the new version.

Users send samples without a pause, in windows with a promotion every two seconds, from one version to the other and
back, and in windows without, in turn. Every answer is compared bit for bit with what the version that it names says.
"""

import argparse
import csv
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import joblib

from benchmarks.parts import Options
from benchmarks.place import HOST, ROOT
from benchmarks.progress import Progress
from benchmarks.result import Result, Table
from benchmarks.services import name_settings
from benchmarks.spreads import ratio, show, turn
from benchmarks.stacks import Stack, StackError, run_stack
from benchmarks.tally import percentile
from rhizome.inference import predict, to_array
from rhizome.manifest import load_manifest

WORKERS = "2"
USERS, WINDOW_SECONDS, EVERY_SECONDS = 8, 10.0, 2.0
QUICK_WINDOW_SECONDS = 4.0
SETTLE_SECONDS = 2.0  #: between windows
START_SECONDS = 25.0
TRAINING_SECONDS = 120.0
LOST_SECONDS = 30.0  #: an accepted job without an answer for so long is lost
PAUSE_AFTER_ERROR_SECONDS = 0.05
ADMIN_KEY = "benchmark-admin-key"  #: of a service on the loopback address that lives for minutes
LEFT_OUT_ROWS = 7  #: every so many rows of the data are unknown to the second version
ROWS = ((5.1, 3.5, 1.4, 0.2), (5.7, 2.8, 4.1, 1.3), (6.3, 3.3, 6.0, 2.5))
KINDS = ("quiet", "reloads")
BAD = ("failed", "wrong", "lost")


class Answer(NamedTuple):
    """What became of one job: when it was sent and answered, by which version, and `right` or what was bad about it."""

    begun: float
    ended: float
    version: str
    outcome: str


class ReloadPart:
    name = "reload"
    summary = "a promotion every 2 s under load: failed, wrong and lost answers, p99, time until all answer anew"
    is_in_all = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--window", type=float, default=WINDOW_SECONDS, help="seconds with, and without, promotions"
        )

    def estimate_seconds(self, options: Options) -> float:
        return START_SECONDS + options.rounds * 2 * (_choose_window(options) + SETTLE_SECONDS)

    def run(self, options: Options, progress: Progress) -> Result:
        window = _choose_window(options)
        rounds: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        progress.report("starting, and training a second version")
        env = {"RHIZOME_WORKER_PROCESSES": WORKERS, "RHIZOME_ADMIN_KEY": ADMIN_KEY}
        with run_stack("rhizome", options.fsync, **env) as stack:
            versions = _train_second(stack)
            progress.advance(START_SECONDS)
            for number in range(options.rounds):
                for kind in turn(KINDS, number):
                    progress.report(f"round {number + 1} of {options.rounds}: {kind}")
                    rounds[kind].append(_measure(stack, versions, window, promote=kind == "reloads"))
                    progress.advance(window + SETTLE_SECONDS)
        return Result((build_table(rounds),), figures={"window_seconds": window, "rounds": rounds})


PART = ReloadPart()


def build_table(rounds: dict[str, list[dict[str, Any]]]) -> Table:
    """Windows without promotions beside windows with."""
    quiet, reloads = rounds["quiet"], rounds["reloads"]

    def row(name: str, figure: str, digits: int) -> tuple[str, ...]:
        values = [[each[figure] for each in its] for its in (quiet, reloads)]
        return (name, *(show(its, digits) for its in values), f"{ratio(values[1], values[0]):.2f} ×")

    counts = tuple(
        (f"{bad} answers", *(str(sum(each["outcomes"].get(bad, 0) for each in its)) for its in (quiet, reloads)), "")
        for bad in BAD
    )
    waits = tuple(
        (name, "", show([wait for each in reloads for wait in each[figure]], 0), "")
        for name, figure in (
            ("promotion to the first new answer, ms", "first_new_ms"),
            ("promotion to the last old answer, ms", "last_old_ms"),
        )
        if any(each[figure] for each in reloads)
    )
    rows = (
        row("jobs/s", "jobs_per_second", 0),
        row("p50 ms", "p50_ms", 2),
        row("p99 ms", "p99_ms", 1),
        *counts,
        *waits,
    )
    jobs = sum(sum(each["outcomes"].values()) for each in (*quiet, *reloads))
    promotions = sum(len(each["promotions"]) for each in reloads)
    note = (
        f"{jobs:,} answers, {promotions} promotions, {WORKERS} worker children. After the last old answer every worker "
        "answers with the new version. Target: none failed, wrong or lost."
    )
    return Table("A promotion every 2 s under load", ("", "without", "with promotions", "ratio"), rows, note)


def sum_up(
    answers: Sequence[Answer], promotions: Sequence[tuple[float, str]], begun: float, seconds: float
) -> dict[str, Any]:
    """One window's figures.

    Args:
        answers: of all users.
        promotions: when each was asked for, and to which version.
        begun, seconds: the window.
    """
    outcomes: dict[str, int] = {}
    for answer in answers:
        outcomes[answer.outcome] = outcomes.get(answer.outcome, 0) + 1
    ordered = sorted((answer.ended - answer.begun) * 1000 for answer in answers if answer.outcome == "right")
    found: dict[str, Any] = {
        "outcomes": outcomes,
        "jobs_per_second": len(ordered) / seconds,
        "p50_ms": percentile(ordered, 0.5),
        "p99_ms": percentile(ordered, 0.99),
        "promotions": [at - begun for at, _ in promotions],
        "first_new_ms": [],
        "last_old_ms": [],
    }
    ends = [*(at for at, _ in promotions), begun + seconds][1:]
    for (at, version), end in zip(promotions, ends, strict=True):
        its = [answer for answer in answers if at <= answer.ended < end and answer.version]
        new = [answer.ended for answer in its if answer.version == version]
        old = [answer.ended for answer in its if answer.version != version]
        if new:
            found["first_new_ms"].append((min(new) - at) * 1000)
        if old:
            found["last_old_ms"].append((max(old) - at) * 1000)
    return found


def _choose_window(options: Options) -> float:
    return QUICK_WINDOW_SECONDS if options.quick else float(options.given["window"])


def _train_second(stack: Stack) -> dict[str, Any]:
    """Trains a version that answers otherwise; what each of the two says of `ROWS`, the champion's first."""
    assert stack.place is not None
    dataset = stack.folder / "fewer.csv"
    with (ROOT / "data" / "iris.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    with dataset.open("w", newline="") as file:
        csv.writer(file).writerows(line for index, line in enumerate(lines) if index % LEFT_OUT_ROWS or not index)
    environment = {**os.environ, **name_settings(stack.place), "RHIZOME_DATASET": str(dataset), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "trainer", "train", "--no-promote"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TRAINING_SECONDS, check=False
    )
    champion = _call(stack, "GET", "/models")["champion"]
    found = {folder.name: _predict(folder) for folder in sorted(stack.folder.glob("models/*/*/"))}
    others = [name for name in found if name != champion]
    if done.returncode or len(others) != 1 or found[others[0]] == found[champion]:
        raise StackError(f"the second version was not trained:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return {champion: found[champion], others[0]: found[others[0]]}


def _predict(folder: Path) -> list[dict[str, float]]:
    signature = load_manifest(folder).signature
    estimator = joblib.load(folder / "model.joblib")
    (answers,) = predict(estimator, to_array(ROWS, signature), signature)
    return [dict(zip(signature.outputs[0].class_names, row, strict=True)) for row in answers.probabilities or []]


def _measure(stack: Stack, versions: dict[str, Any], seconds: float, *, promote: bool) -> dict[str, Any]:
    answers: list[list[Answer]] = [[] for _ in range(USERS)]
    begun = time.monotonic()
    users = [
        threading.Thread(target=_use, args=(stack.port, number, versions, begun + seconds, answers[number]))
        for number in range(USERS)
    ]
    for user in users:
        user.start()
    promotions: list[tuple[float, str]] = []
    names = list(versions)
    while promote and time.monotonic() + EVERY_SECONDS < begun + seconds:
        champion = _call(stack, "GET", "/models")["champion"]
        version = names[1 - names.index(champion)]
        promotions.append((time.monotonic(), version))
        _call(stack, "POST", f"/models/{version}/promote")
        time.sleep(max(0.0, begun + len(promotions) * EVERY_SECONDS - time.monotonic()))
    for user in users:
        user.join(seconds + 2 * LOST_SECONDS)
    stack.check_alive()
    time.sleep(SETTLE_SECONDS)
    return sum_up([answer for each in answers for answer in each], promotions, begun, seconds)


def _use(port: int, number: int, versions: dict[str, Any], end: float, answers: list[Answer]) -> None:
    """One user, until `end`."""
    bodies = [
        json.dumps(dict(zip(("sepal_length", "sepal_width", "petal_length", "petal_width"), row, strict=True)))
        for row in ROWS
    ]
    connection = http.client.HTTPConnection(HOST, port, timeout=2 * LOST_SECONDS)
    turns = number
    while (begun := time.monotonic()) < end:
        turns += 1
        document: dict[str, Any] = {}
        outcome = "failed"
        try:
            document = _ask(connection, bodies[turns % len(ROWS)], begun)
            outcome = judge(document, versions, turns % len(ROWS))
        except (OSError, http.client.HTTPException, ValueError):
            connection.close()
        answers.append(Answer(begun, time.monotonic(), document.get("version") or "", outcome))
        if outcome != "right":
            time.sleep(PAUSE_AFTER_ERROR_SECONDS)
    connection.close()


def _ask(connection: http.client.HTTPConnection, body: str, begun: float) -> dict[str, Any]:
    connection.request("POST", "/predict", body, {"Content-Type": "application/json", "Prefer": "wait=10"})
    document: dict[str, Any] = json.loads(connection.getresponse().read())
    while document.get("status") in ("queued", "running") and time.monotonic() - begun < LOST_SECONDS:
        connection.request("GET", f"/result/{document['id']}?wait=10")
        document = json.loads(connection.getresponse().read())
    return document


def judge(document: dict[str, Any], versions: dict[str, Any], row: int) -> str:
    """`right`, `wrong`, `lost` or `failed`."""
    if document.get("status") in ("queued", "running"):
        return "lost"
    if document.get("status") != "succeeded":
        return "failed"
    expected = versions.get(str(document["version"]))
    return "right" if expected and document["result"]["probabilities"] == expected[row] else "wrong"


def _call(stack: Stack, method: str, path: str) -> Any:
    connection = http.client.HTTPConnection(HOST, stack.port, timeout=LOST_SECONDS)
    with suppress(OSError, http.client.HTTPException, ValueError):
        connection.request(method, path, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
        response = connection.getresponse()
        document = json.loads(response.read())
        connection.close()
        if response.status == http.client.OK:
            return document
        raise StackError(f"{method} {path} was answered {response.status}: {document}")
    raise StackError(f"{method} {path} was not answered")
