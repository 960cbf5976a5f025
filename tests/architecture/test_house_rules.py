"""The rules of the house that a program can check."""

import ast
import re
from pathlib import Path

import pytest

from rhizome.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("rhizome", "gateway", "worker", "trainer")
SUBPACKAGES = (
    "gateway/express",
    "gateway/inference_protocol",
    "gateway/results",
    "gateway/uploads",
    "rhizome/client",
    "rhizome/commands",
    "rhizome/direct_calls",
    "rhizome/job_queue",
    "rhizome/webhooks",
    "worker/files",
    "worker/webhooks",
)
MOST_LINES = 300
SET_BY_THE_IMAGE: set[str] = {"host", "port", "pulse_dir"}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}

PRODUCT_FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SCRIPTS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.lua"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_rules_look_at_the_product() -> None:
    assert len(PRODUCT_FILES) > 60
    assert len(SCRIPTS) > 8


@pytest.mark.parametrize("package", [*PACKAGES, *SUBPACKAGES])
def test_every_package_says_what_belongs_in_it(package: str) -> None:
    docstring = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))

    assert docstring is not None
    assert len(docstring.split()) >= 12


def test_every_package_of_the_product_is_looked_at() -> None:
    packages = {name_of(path.parent) for path in PRODUCT_FILES}

    assert packages == {*PACKAGES, *SUBPACKAGES}


def test_every_module_opens_with_a_sentence() -> None:
    silent = [name_of(path) for path in PRODUCT_FILES if not ast.get_docstring(ast.parse(path.read_text()))]

    assert silent == []


def test_every_script_opens_with_a_sentence() -> None:
    assert [name_of(path) for path in SCRIPTS if not path.read_text().startswith("-- ")] == []


def test_no_file_is_too_long() -> None:
    long = {
        name_of(path): lines
        for path in PRODUCT_FILES + SCRIPTS
        if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }

    assert long == {}


def test_modules_are_named_by_the_noun_they_hold() -> None:
    assert [name_of(path) for path in PRODUCT_FILES + SCRIPTS if path.stem in FORBIDDEN_NAMES - {"common"}] == []


def test_every_public_function_and_class_is_described() -> None:
    silent = []
    for path in PRODUCT_FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                is_error = path.name == "errors.py"  # the tree in its module's docstring describes them
                if not is_error and not ast.get_docstring(node):
                    silent.append(f"{name_of(path)}:{node.lineno} {node.name}")

    assert silent == []


def test_nothing_is_marked_as_unfinished() -> None:
    marks = ("TODO", "FIXME", "XXX", "HACK")

    assert [name_of(path) for path in PRODUCT_FILES + SCRIPTS if any(mark in path.read_text() for mark in marks)] == []


def test_the_gateways_container_is_handed_every_setting_that_it_reads() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    anchors, services = compose.split("\nservices:\n")
    handed = anchors + services.split("\n  gateway:\n")[1].split("\nnetworks:\n")[0]
    sources = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py"))
    read = set(re.findall(r"\bsettings\.([a-z_]+)", sources)) & set(Settings.model_fields)

    assert {name for name in read if f"RHIZOME_{name.upper()}:" not in handed} <= SET_BY_THE_IMAGE
