"""Which part a process plays, and what is read of it."""

import os

import pytest

from benchmarks.footprint import Process, find_processes, name_part, parse_sizes, read_memory, sum_cpu

PYTHON = "/somewhere/bin/python"


@pytest.mark.parametrize(
    ("words", "parent", "part"),
    [
        ([PYTHON, "-m", "worker"], "rhizome", "worker"),
        ([PYTHON, "-m", "worker"], "worker", "worker child"),
        ([PYTHON, "-m", "worker", "webhooks"], "rhizome", "worker webhooks"),
        ([PYTHON, "-m", "worker", "batches"], "rhizome", "worker batches"),
        ([PYTHON, "-m", "worker", "batches"], "worker batches", "worker batches child"),
        ([PYTHON, "-m", "celery", "-A", "app", "worker"], None, "celery"),
        (["/wheel/valkey-server 127.0.0.1:6379"], "rhizome", "valkey-server"),
        ([PYTHON, "/somewhere/bin/rhizome", "up"], "make", "rhizome"),
        ([PYTHON, "-c", "from multiprocessing.resource_tracker import main"], "worker", "worker tracker"),
        ([PYTHON, "-c", "spawn"], "gateway", "gateway child"),
        ([PYTHON, "-c", "spawn"], "gateway child", "gateway child"),
    ],
)
def test_a_process_plays_the_part_of_its_command_or_of_its_parent(words: list[str], parent: str | None, part: str):
    assert name_part(words, parent) == part


def test_cpu_time_is_what_was_spent_between_two_looks():
    before = [Process(1, "worker", 5.0), Process(2, "worker child", 1.0)]
    after = [Process(1, "worker", 5.5), Process(3, "worker child", 2.0), Process(4, "worker child", 1.0)]

    assert sum_cpu(before, after) == {"worker": 0.5, "worker child": 3.0}


def test_sizes_are_read_in_megabytes():
    assert parse_sizes("Rss:   1000 kB\nName:\tpython\nPss:  500 kB\n") == {"Rss": 1.024, "Pss": 0.512}


def test_this_process_is_found_with_its_memory():
    processes = find_processes([os.getpid()])

    (mine,) = (each for each in processes if each.pid == os.getpid())
    assert mine.cpu_seconds > 0
    (memory, *_) = read_memory([mine])
    assert memory.rss_mb >= memory.pss_mb >= memory.uss_mb > 0
