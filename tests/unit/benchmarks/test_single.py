"""How the rounds of a comparison are summed up."""

from pathlib import Path

import pytest

from benchmarks.parts import Options
from benchmarks.rounds import Load, Run, order_stacks
from benchmarks.single import NOTE, Scenario, build_load_table, build_ratios, build_roles, choose_stacks
from benchmarks.tally import Tally
from benchmarks.user import Mode

ONE_USER = Scenario(1, Mode.WAIT)


def build_run(stack: str, number: int, jobs_per_second: float, **errors: int) -> Run:
    tally = Tally(latencies_seconds=[0.010], jobs_finished=500, errors={**errors})
    found = tally.summarise(window_seconds=1.0, generator_cpu_seconds=0.1).to_dict()
    found["jobs_per_second"] = jobs_per_second
    return Run(stack, number, Load(1, Mode.WAIT, 1.0), found, {"gateway": 1.5, "redis": 0.5})


def test_cpu_time_is_divided_by_every_job_and_holds_every_process():
    run = build_run("rhizome", 0, 10)

    assert run.cpu_seconds_per_1000_jobs() == 4.0
    assert run.cpu_seconds_per_1000_jobs("redis") == 1.0
    assert run.cpu_seconds_per_1000_jobs("worker") == 0.0


def test_a_row_keeps_the_median_the_extremes_and_every_error():
    runs = [build_run("rhizome", 0, 10, timed_out=1), build_run("rhizome", 1, 40, timed_out=2)]
    runs += [build_run("rhizome", 2, 20), build_run("baseline", 0, 5)]

    (row,) = build_load_table("Jobs", [ONE_USER], ["rhizome"], runs, NOTE).rows

    assert row == ("1", "wait", "rhizome", "20 (10–40)", "10.0", "10.0", "10.0", "4.00", "10%", "timed_out 3")


def test_a_stack_without_a_run_of_a_scenario_has_no_row():
    table = build_load_table("Jobs", [ONE_USER], ["rhizome", "baseline"], [build_run("baseline", 0, 5)])

    assert [row[2] for row in table.rows] == ["baseline"]


def test_ratios_are_of_medians():
    runs = [build_run("rhizome", 0, 30), build_run("baseline", 0, 10)]

    assert build_ratios([ONE_USER], ["baseline"], runs).rows == (
        ("1", "wait", "baseline", "3.00 ×", "1.00 ×", "1.00 ×", "1.00 ×"),
    )


def test_processes_are_listed_from_the_dearest():
    assert build_roles([ONE_USER], ["rhizome"], [build_run("rhizome", 0, 30)]).rows == (
        ("1", "wait", "rhizome", "gateway 3.000, redis 1.000"),
    )


def test_no_stack_always_comes_second():
    stacks = ("rhizome", "baseline")

    assert [tuple(order_stacks(stacks, number)) for number in (0, 1)] == [stacks, stacks[::-1]]


def test_a_peer_that_is_not_installed_is_left_out_with_a_line_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("benchmarks.peer_environments.ENVIRONMENTS", tmp_path)
    (tmp_path / "mlserver").mkdir()
    (tmp_path / "mlserver" / ".installed").touch()

    stacks, lines = choose_stacks(Options(stacks=("rhizome", "ray", "mlserver")))

    assert stacks == ["rhizome", "mlserver"]
    assert lines == ["ray is not installed and left out; `make bench-peers PEERS=ray` installs it"]


def test_an_unknown_stack_is_refused_by_name():
    with pytest.raises(SystemExit, match="unknown stacks: torchserve; known: rhizome, baseline"):
        choose_stacks(Options(stacks=("torchserve",)))
