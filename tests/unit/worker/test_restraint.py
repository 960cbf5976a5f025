"""What a process of the batch lane may take: a chunk's allocation fails beyond the bound, not the process."""

import subprocess
import sys

import pytest

from worker.restraint import restrain

MEGABYTE = 1024**2
ALLOWED = 200 * MEGABYTE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's own")

CHILD = """
import sys
from worker.restraint import lifted, restrain

allowed, wanted = int(sys.argv[1]), int(sys.argv[2])
held = bytearray(50 * 1024**2)
restrain(allowed)
with lifted():
    version = bytearray(2 * allowed)
try:
    taken = bytearray(wanted)
    print("taken")
except MemoryError:
    print("refused", len(bytearray(1024)))
"""


def run_child(wanted: int) -> list[str]:
    """What a process that is restrained and then takes so many bytes says."""
    command = [sys.executable, "-c", CHILD, str(ALLOWED), str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def test_within_the_bound_memory_is_there() -> None:
    assert run_child(ALLOWED - 50 * MEGABYTE) == ["taken"]


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

    monkeypatch.setattr("resource.setrlimit", forbid)
    monkeypatch.setattr("worker.restraint._allowed_bytes", 0)  # back to what it is: this process loads versions, too

    restrain(ALLOWED)
