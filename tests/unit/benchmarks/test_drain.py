"""What of a backlog's end is measured, and what it is compared with."""

from collections.abc import Iterator

import pytest

from benchmarks import drain
from benchmarks.drain import build_tables, watch, worker_cpu_seconds
from benchmarks.footprint import Process
from benchmarks.stacks import StackError

RUN = {"jobs": 1000, "seconds": 2.0, "cpu_seconds": {"worker": 0.1, "worker child": 0.4, "valkey-server": 1.0}}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "LOOK_SECONDS", 0.0)


def counted(*left: int) -> Iterator[int]:
    yield from left


def test_neither_the_workers_start_nor_its_last_call_is_measured():
    left = counted(1000, 950, 890, 500, 60, 20, 0)
    looks = iter([[Process(1, "worker", 3.0)], [Process(1, "worker", 5.0)]])

    found = watch(lambda: next(left), 1000, lambda: next(looks))

    assert found["jobs"] == 890 - 20
    assert found["cpu_seconds"] == {"worker": 2.0}


def test_too_few_jobs_are_refused():
    left = counted(10, 0)

    with pytest.raises(StackError, match="too few"):
        watch(lambda: next(left), 10, list)


def test_a_workers_time_is_that_of_all_its_processes():
    assert worker_cpu_seconds(RUN) == 0.5


def test_the_table_divides_by_the_workers_cpu_time():
    slow = {"jobs": 100, "seconds": 2.0, "cpu_seconds": {"celery": 1.0}}
    fast = {"jobs": 4000, "seconds": 1.0, "cpu_seconds": {"process": 0.5}}

    table, _ = build_tables({"rhizome": [RUN], "limit": [fast], "baseline": [slow]})

    assert [row[4] for row in table.rows] == ["1.00 ×", "0.25 ×", "20.00 ×"]
