"""The transcripts of the README are run against a whole service: what they show is what it answers, key by key."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from tests.support.service import Service

ROOT = Path(__file__).resolve().parents[2]
SHOWN_AT = "http://127.0.0.1:8000"
SECONDS = 60
#: What needs a receiver, changes the service, or is no whole command.
NOT_RUN = re.compile(r"/webhook|webhook=|/retrain|/models/rollback")
JOB_ID = re.compile(r"\b[a-z2-7]{32}\b")
LEFT_OUT = "…"


class Command(NamedTuple):
    """A command of a transcript, and what it shows."""

    text: str
    shown: str


def commands_of(section: str) -> Iterator[Command]:
    for transcript in re.findall(r"```console\n(.*?)```", section, re.DOTALL):
        for part in re.split(r"^\$ ", transcript, flags=re.MULTILINE)[1:]:
            text, shown = split_command(part)
            yield Command(text, shown)


def split_command(part: str) -> tuple[str, str]:
    """A command, which goes on while a quote is open or a line ends in a backslash; and the lines after it."""
    lines = part.splitlines(keepends=True)
    count = 1
    while "".join(lines[:count]).count("'") % 2 or lines[count - 1].rstrip().endswith("\\"):
        count += 1
    return "".join(lines[:count]), "".join(lines[count:])


def body_of(shown: str) -> str:
    """What was answered, without a status line and headers."""
    return re.split(r"\r?\n\r?\n", shown, maxsplit=1)[1] if shown.startswith("HTTP/") else shown


def keys_of(node: Any) -> Any:
    """The keys of a document, at every depth."""
    if isinstance(node, dict):
        return {name: keys_of(value) for name, value in node.items()}
    return [keys_of(value) for value in node] if isinstance(node, list) else None


def assert_shows(command: Command, shown: str, live: str) -> None:
    if not shown.lstrip().startswith("{"):
        return
    if LEFT_OUT in shown:
        assert set(re.findall(r'"(\w+)":', shown)) <= set(re.findall(r'"(\w+)":', live)), command.text
    else:
        assert keys_of(json.loads(shown)) == keys_of(json.loads(live)), command.text


def test_the_transcripts_of_the_readme_are_what_the_service_answers(service: Service, tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().split("\n## A session\n")[1].split("\n## ")[0]
    url = str(service.http.base_url).rstrip("/")
    live_ids: dict[str, str] = {}
    ran = 0

    for command in commands_of(section):
        if NOT_RUN.search(command.text):
            continue
        if command.text.startswith("cat "):
            (tmp_path / command.text.split()[1]).write_text(command.shown)
            subprocess.run(["gzip", "-k", command.text.split()[1]], cwd=tmp_path, check=True)
            continue
        text = JOB_ID.sub(lambda shown: live_ids[shown.group()], command.text.replace(SHOWN_AT, url))

        live = subprocess.run(
            ["bash", "-c", text], cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=True
        ).stdout

        for shown_id, live_id in zip(JOB_ID.findall(command.shown), JOB_ID.findall(live), strict=False):
            live_ids[shown_id] = live_id
            httpx.get(f"{url}/result/{live_id}?wait=20", timeout=SECONDS)  # the next command shows it done
        if command.shown:
            assert live, command.text
            assert_shows(command, body_of(command.shown), body_of(live))
        ran += 1

    assert ran >= 11
