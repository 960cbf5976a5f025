"""The memory of starts, summed up."""

import sys
from pathlib import Path

from benchmarks.start import build_tables, choose_command


def start(workers: int, seconds: float, *children: float) -> dict[str, object]:
    parts = [("worker", 100.0), *(("worker child", pss) for pss in children), ("gateway", 20.0)]
    memory = [{"part": part, "rss_mb": 2 * pss, "pss_mb": pss, "uss_mb": pss / 2} for part, pss in parts]
    return {"workers": workers, "seconds": seconds, "memory": memory}


def test_a_further_child_costs_what_all_worker_processes_hold_more():
    _, memory = build_tables([start(1, 3.0, 50.0), start(3, 3.5, 40.0, 40.0, 40.0)])

    assert "3 for 1: 35 MB" in memory.note


def test_the_largest_process_of_a_part_is_shown():
    _, memory = build_tables([start(2, 3.0, 40.0, 60.0)])

    assert ("2", "worker child", "120", "60", "30") in memory.rows


def test_a_python_that_make_would_not_run_is_run_itself(tmp_path: Path):
    python = tmp_path / "python"

    assert choose_command(python) == [str(python), "-m", "rhizome", "up"]
    assert choose_command(Path(sys.executable))[-1] == "up"
