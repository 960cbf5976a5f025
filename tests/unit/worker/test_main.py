"""The entry of a worker: an argument that it does not know starts nothing."""

import os
import subprocess
import sys

import pytest


def run_worker(*arguments: str) -> subprocess.CompletedProcess[str]:
    """With settings that are refused, so that nothing starts in any case."""
    command = [sys.executable, "-m", "worker", *arguments]
    environment = os.environ | {"RHIZOME_PORT": "none"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("arguments", [("batch",), ("",), ("--help",), ("batches", "webhooks")], ids=" ".join)
def test_an_unknown_role_is_refused_in_one_line_that_names_the_known_ones(arguments: tuple[str, ...]) -> None:
    ended = run_worker(*arguments)

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"rhizome: a worker has no role '{' '.join(arguments)}'; it has one of worker, batches, webhooks"
    ]


@pytest.mark.parametrize("arguments", [(), ("worker",), ("batches",), ("webhooks",)], ids=" ".join)
def test_a_known_role_is_not_refused(arguments: tuple[str, ...]) -> None:
    ended = run_worker(*arguments)

    assert ended.returncode == 1
    assert "RHIZOME_PORT" in ended.stderr
