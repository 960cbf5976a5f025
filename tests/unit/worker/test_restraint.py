"""What a process of the batch lane may take: a chunk's allocation fails beyond the bound, not the process."""

import subprocess
import sys

import pytest

from worker.restraint import lifted, restrain

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


RESTRAINED = """
import resource, sys
from contextlib import suppress
from worker.restraint import lifted, restrain

MEGABYTE, ALLOWED = 1024**2, int(sys.argv[1])
grown = lambda: (resource.getrlimit(resource.RLIMIT_DATA)[0] - first) / MEGABYTE
restrain(ALLOWED)
first = resource.getrlimit(resource.RLIMIT_DATA)[0]
"""


def measure_growth(code: str) -> list[float]:
    """The megabytes by which the limit of a restrained process had grown whenever `code` printed `grown()`."""
    command = [sys.executable, "-c", RESTRAINED + code, str(ALLOWED)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [float(line) for line in done.stdout.split()]


def test_a_load_that_fails_leaves_the_limit_to_the_chunk_beside_it() -> None:
    growth = measure_growth("""
chunk = []
for _ in range(3):
    chunk.append(bytearray(50 * MEGABYTE))
    with suppress(OSError), lifted():
        raise OSError(len(bytearray(2 * ALLOWED)))
    print(grown())
""")

    assert growth == [0.0, 0.0, 0.0]


def test_a_load_raises_the_limit_by_what_it_kept_and_not_by_what_a_chunk_holds() -> None:
    (growth,) = measure_growth("""
chunk = bytearray(150 * MEGABYTE)
with lifted():
    version = bytearray(80 * MEGABYTE)
print(grown())
""")

    assert growth == pytest.approx(80, abs=5)


def test_a_chunk_that_ends_during_a_load_does_not_lower_the_limit() -> None:
    (growth,) = measure_growth("""
chunk = bytearray(150 * MEGABYTE)
with lifted():
    version = bytearray(80 * MEGABYTE)
    del chunk
print(grown())
""")

    assert growth == 0.0


def test_versions_that_replace_one_another_do_not_raise_the_limit_for_ever() -> None:
    growth = measure_growth("""
champion = None
for _ in range(5):
    with lifted():
        version = bytearray(50 * MEGABYTE)
    champion = version
    print(grown())
""")

    assert growth == pytest.approx([50, 100, 100, 100, 100], abs=5)


def test_what_a_chunk_took_during_a_load_is_taken_back_at_the_next() -> None:
    growth = measure_growth("""
with lifted():
    chunk = bytearray(3 * ALLOWED)
print(grown())
del chunk
with lifted():
    version = bytearray(50 * MEGABYTE)
print(grown())
""")

    assert growth == pytest.approx([3 * ALLOWED / MEGABYTE, 50], abs=5)


@pytest.mark.parametrize(("before", "after"), [(0, 500), (500, 0)], ids=["before", "after"])
def test_where_it_cannot_be_known_what_is_held_the_limit_stays(
    monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    held, limits = iter((before, after)), list[int]()
    monkeypatch.setattr("worker.restraint._allowed_bytes", 100)
    monkeypatch.setattr("worker.restraint._held_bytes", lambda: next(held))
    monkeypatch.setattr("worker.restraint._limit", limits.append)
    monkeypatch.setattr("resource.getrlimit", lambda _: (1000, 2000))

    with lifted():
        pass

    assert limits[-1] == 1000


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
