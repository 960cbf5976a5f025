"""The command line in this process, against a scripted server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rhizome.cli import main
from rhizome.client import retries
from rhizome.commands import connection
from tests.support.scripted_server import ScriptedServer, scripted_server

Run = Callable[..., Result]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def run(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `rhizome` with these arguments, in an empty folder, with the server as the service."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RHIZOME_URL", server.url)
    monkeypatch.delenv("RHIZOME_ADMIN_KEY", raising=False)
    monkeypatch.delenv("RHIZOME_VAR_DIR", raising=False)
    monkeypatch.setattr(retries, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(connection, "_PATIENCE_SECONDS", 1.0)
    runner = CliRunner()

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return runner.invoke(main, arguments, input=stdin, prog_name="rhizome")

    return invoke
