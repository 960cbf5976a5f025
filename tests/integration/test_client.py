"""The Python client and the command line on a whole running service; the documentation's examples are run."""

import doctest
import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pandas as pd
import pytest

import rhizome.client
from rhizome.client import AsyncClient, Client, Conflict, InvalidInput, NotAllowed, NotFound, verify_webhook
from tests.support.service import ADMIN_KEY, SAMPLE, Service

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    "rhizome.client",
    *(found.name for found in pkgutil.iter_modules(rhizome.client.__path__, "rhizome.client.")),
]
COMMAND_SECONDS = 60


@pytest.fixture
def url(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, admin_key=ADMIN_KEY) as client:
        yield client


def run_examples(text: str, names: dict[str, Any], where: str) -> int:
    """Runs the examples of a text; how many there were."""
    test = doctest.DocTestParser().get_doctest(text, names, where, where, 0)
    test.globs = names  # which gets what the examples define
    report: list[str] = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=report.append, clear_globs=False)
    assert results.failed == 0, "".join(report)
    return results.attempted


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_the_docstrings_are_true(client: Client, url: str, name: str) -> None:
    names = {"client": client, "base_url": url, "sample": SAMPLE, "Client": Client, "verify_webhook": verify_webhook}
    module = importlib.import_module(name)

    for found in doctest.DocTestFinder(recurse=True).find(module, globs=names):
        if found.examples:
            run_examples(found.docstring, dict(names), found.name)


def test_the_examples_of_the_readme_are_true(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHIZOME_URL", url)
    blocks = re.findall(r"```pycon\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}

    assert sum(run_examples(block, names, "README.md") for block in blocks) > 6

    names["client"].close()


def test_the_commands_of_the_readme_print_what_it_shows(url: str, tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().split("## From a shell")[1].split("\n## ")[0]
    (transcript,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    commands = re.findall(r"^\$ rhizome ([^|\n]*)[^\n]*\n(.*?)(?=^\$|\Z)", transcript, re.DOTALL | re.MULTILINE)

    flowers = pd.read_csv(ROOT / "data" / "iris.csv").drop(columns="species")
    flowers.to_csv(tmp_path / "flowers.csv", index=False)

    for arguments, shown in commands:
        finished = run_command(url, *arguments.split(), folder=tmp_path)

        assert finished.returncode == 0, finished.stderr
        if "--json" not in arguments:
            assert labels_of(finished.stdout) == labels_of(shown) | (labels_of(finished.stdout) & {"latency"})
    assert len(commands) >= 4


def labels_of(output: str) -> set[str]:
    return {line.split("  ")[0] for line in output.splitlines() if not line.startswith(" ")}


def run_command(url: str, *arguments: str, folder: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rhizome", *arguments],
        cwd=folder,
        env=os.environ | {"RHIZOME_URL": url, "PYTHONPATH": str(ROOT), "RHIZOME_ADMIN_KEY": ADMIN_KEY},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def test_frames_arrays_and_mappings_are_answered_alike(client: Client) -> None:
    frame = pd.read_csv(ROOT / "data" / "iris.csv").drop(columns="species")

    answers = [
        client.predict_batch(data, progress=False).answers
        for data in (frame, frame.to_numpy(), frame.to_dict("records"), frame.to_dict("list"))
    ]

    assert len(answers[0] or ()) == len(frame)
    assert answers[0] == answers[1] == answers[2] == answers[3]


def test_answers_are_a_frame_that_fits_the_samples(client: Client) -> None:
    frame = pd.read_csv(ROOT / "data" / "iris.csv")

    predicted = client.predict_batch(frame.drop(columns="species"), progress=False).to_pandas()

    assert (predicted["label"] == frame["species"]).mean() > 0.9
    assert predicted.filter(like="probability_").sum(axis=1).to_numpy() == pytest.approx(np.ones(len(frame)))


def test_the_options_of_a_submit_are_honoured(client: Client) -> None:
    version = client.models().champion

    job = client.submit(SAMPLE, version=version, priority=2, deadline_ms=60_000, returns="both")

    assert (job.priority, job.status) == (2, "queued")
    assert job.expires_at is not None
    assert client.wait(job.id).check().version == version


def test_one_key_is_one_job(client: Client) -> None:
    first = client.submit(SAMPLE, idempotency_key="client-test-one-key")

    again = client.predict(SAMPLE, idempotency_key="client-test-one-key")

    assert again.id == first.id
    with pytest.raises(Conflict, match="another request"):
        client.submit({**SAMPLE, "petal_width": 0.3}, idempotency_key="client-test-one-key")


def test_a_batch_tells_its_life_and_gives_its_rows_by_page(client: Client) -> None:
    samples = np.random.default_rng(0).uniform([4.3, 2.0, 1.0, 0.1], [7.9, 4.4, 6.9, 2.5], (3000, 4)).round(2)
    job = client.submit_batch(samples)

    events = list(client.stream(job.id))
    rows = list(client.rows(job.id, page_rows=700))

    assert events[-1].type == "done"
    assert events[-1].job.counts.done == 3000
    assert rows == list(client.predict_batch(samples, progress=False).answers or ())


def test_mistakes_are_typed_errors_with_field_and_remedy(client: Client, url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        client.predict_batch([SAMPLE, {**SAMPLE, "petal_width": "wide"}])
    with pytest.raises(NotFound):
        client.result("a" * 32)
    with pytest.raises(InvalidInput, match="priority"):
        client.submit(SAMPLE, priority=9)
    with Client(url) as anybody, pytest.raises(NotAllowed):
        anybody.retrain()

    assert "1" in caught.value.problems[0].field
    assert "petal_width" in caught.value.problems[0].field
    assert caught.value.problems[0].remedy


def test_many_predictions_at_once_are_each_answered(url: str) -> None:
    labels: list[Any] = []

    async def predict_all() -> None:
        async with AsyncClient(url) as client, anyio.create_task_group() as group:

            async def predict(index: int) -> None:
                flower = {**SAMPLE, "petal_length": 1.0 + index / 20, "petal_width": 0.1 + index / 40}
                labels.append((await client.predict(flower)).label)

            for index in range(80):
                group.start_soon(predict, index)

    anyio.run(predict_all)

    assert len(labels) == 80
    assert set(labels) == {"setosa", "virginica"}


def test_a_shell_gets_documents_and_exit_codes(url: str, tmp_path: Path) -> None:
    predicted = run_command(url, "predict", "-", "--json", folder=tmp_path, stdin=json.dumps(SAMPLE))
    document = json.loads(predicted.stdout)
    shown = run_command(url, "result", document["id"], "--json", folder=tmp_path)
    refused = run_command(url, "predict", "petal_width=wide", folder=tmp_path)
    unknown = run_command(url, "cancel", "a" * 32, folder=tmp_path)
    absent = run_command("http://127.0.0.1:9", "health", folder=tmp_path)

    assert document["result"]["label"] == "setosa"
    assert json.loads(shown.stdout) == document
    assert [run.returncode for run in (predicted, shown, refused, unknown, absent)] == [0, 0, 4, 3, 5]
    assert "petal_width is text" in refused.stderr
    assert "\x1b" not in refused.stderr + predicted.stdout
