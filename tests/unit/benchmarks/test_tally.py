"""How a load run and a comparison are summed up."""

import math

import pytest

from benchmarks.report import format_ratios, format_table, spread, summarise
from benchmarks.single import Run, Scenario, order_stacks
from benchmarks.tally import Tally, percentile
from benchmarks.user import Mode

HUNDRED = [float(value) for value in range(1, 101)]
ONE_USER = Scenario(1, Mode.WAIT)


def build_run(stack: str, number: int, jobs_per_second: float, **errors: int) -> Run:
    tally = Tally(latencies_seconds=[0.010], jobs_finished=500, errors={**errors})
    load = tally.summarise(window_seconds=1.0, generator_cpu_seconds=0.1).to_dict()
    return Run(stack, 1, Mode.WAIT, number, load | {"jobs_per_second": jobs_per_second}, {"web": 1.5, "redis": 0.5})


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)])
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: float):
    assert percentile(HUNDRED, share) == expected


def test_no_values_have_no_percentile():
    assert math.isnan(percentile([], 0.5))


def test_jobs_per_second_count_the_measured_window_only():
    tally = Tally(latencies_seconds=[0.2, 0.1], jobs_finished=7)

    result = tally.summarise(window_seconds=4.0, generator_cpu_seconds=1.0)

    assert (result.jobs_per_second, result.p50_ms, result.jobs_finished) == (0.5, 100.0, 7)
    assert result.generator_cpu_share == 0.25


def test_cpu_time_is_divided_by_every_job_and_holds_every_service():
    assert build_run("rhizome", 0, 10).cpu_seconds_per_1000_jobs == 4.0


def test_a_summary_keeps_the_median_the_extremes_and_every_error():
    runs = [build_run("rhizome", 0, 10, timed_out=1), build_run("rhizome", 1, 40, timed_out=2)]
    runs += [build_run("rhizome", 2, 20), build_run("baseline", 0, 5)]

    summary = summarise(runs, "rhizome", ONE_USER)

    assert summary.jobs_per_second == spread([10, 20, 40])
    assert summary.jobs_per_second.show(0) == "20 (10–40)"
    assert summary.errors == {"timed_out": 3}


def test_ratios_are_of_medians():
    runs = [build_run("rhizome", 0, 30), build_run("baseline", 0, 10)]
    summaries = [summarise(runs, stack, ONE_USER) for stack in ("rhizome", "baseline")]

    assert "| 1 | wait | 3.00 × | 1.00 × | 1.00 × | 1.00 × |" in format_ratios(summaries, "rhizome", "baseline")
    assert format_table(summaries).count("\n") == 3


def test_no_stack_always_comes_second():
    stacks = ("rhizome", "baseline")

    assert [tuple(order_stacks(stacks, number)) for number in (0, 1)] == [stacks, stacks[::-1]]
