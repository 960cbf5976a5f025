"""What a process of the batch lane may take: a chunk's allocation fails beyond the bound, not the process."""

import os
import subprocess
import sys

import pytest

from worker.restraint import restrain

MEGABYTE = 1024**2
ALLOWED = 200 * MEGABYTE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")

CHILD = """
import os, sys
from worker.restraint import restrain

allowed, wanted = int(sys.argv[1]), int(sys.argv[2])
held = bytearray(50 * 1024**2)
restrain(allowed)
try:
    taken = bytearray(wanted)
    print("taken", os.sched_getscheduler(0) == os.SCHED_IDLE)
except MemoryError:
    print("refused", len(bytearray(1024)))
"""


def run_child(wanted: int) -> list[str]:
    """What a process that is restrained and then takes so many bytes says."""
    command = [sys.executable, "-c", CHILD, str(ALLOWED), str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_within_the_bound_memory_is_there_and_the_process_runs_when_nobody_else_wants_to() -> None:
    assert run_child(ALLOWED - 50 * MEGABYTE) == ["taken", "True"]


def test_beyond_the_bound_an_allocation_fails_and_the_process_goes_on() -> None:
    assert run_child(ALLOWED + 10 * MEGABYTE) == ["refused", "1024"]


def test_a_stricter_bound_from_outside_stands() -> None:
    code = f"import resource; resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9)); import sys; {'{}'}"
    script = code.format("from worker.restraint import restrain; restrain(10**12)")
    script += "; print(resource.getrlimit(resource.RLIMIT_DATA))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == "(1000000000, 1000000000)"


def test_where_the_kernel_forbids_it_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", forbid)
    monkeypatch.setattr("resource.setrlimit", forbid)

    restrain(ALLOWED)
