"""How a load run is summed up."""

import math

import pytest

from benchmarks.tally import Tally, percentile

HUNDRED = [float(value) for value in range(1, 101)]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50.0), (0.95, 95.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)])
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: float):
    assert percentile(HUNDRED, share) == expected


def test_no_values_have_no_percentile():
    assert math.isnan(percentile([], 0.5))


def test_jobs_per_second_count_the_measured_window_only():
    tally = Tally(latencies_seconds=[0.2, 0.1], ended_in_window=2, jobs_finished=7)

    result = tally.summarise(window_seconds=4.0, generator_cpu_seconds=1.0)

    assert (result.jobs_per_second, result.p50_ms, result.jobs_finished) == (0.5, 100.0, 7)
    assert result.generator_cpu_share == 0.25
