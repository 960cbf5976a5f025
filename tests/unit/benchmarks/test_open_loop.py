"""How a ladder of rates is summed up, and where it ends."""

import pytest

from benchmarks.open_loop import build_rate_table, is_saturated
from benchmarks.rounds import Load, Run
from benchmarks.tally import Tally
from benchmarks.user import Mode


def build_run(rate: float, arrived: int, answered: int, latency_seconds: float = 0.01, number: int = 0) -> Run:
    tally = Tally(latencies_seconds=[latency_seconds] * arrived, ended_in_window=answered, delays_seconds=[0.0005])
    tally.arrived_in_window = arrived
    found = tally.summarise(window_seconds=2.0, generator_cpu_seconds=0.1).to_dict()
    return Run("rhizome", number, Load(256, Mode.WAIT, 2.0, rate=rate), found, {"gateway": 1.0})


@pytest.mark.parametrize(
    ("arrived", "answered", "latency_seconds", "saturated"),
    [
        (200, 199, 0.01, False),
        (160, 155, 0.01, False),  # few came, all were answered
        (200, 170, 0.01, True),
        (200, 195, 1.5, True),
    ],
)
def test_a_stack_is_saturated_when_arrivals_go_unanswered_or_queue_for_long(
    arrived: int, answered: int, latency_seconds: float, saturated: bool
):
    assert is_saturated(build_run(100.0, arrived, answered, latency_seconds)) is saturated


def test_a_rate_has_one_row_over_all_rounds():
    runs = [build_run(100.0, 200, 198), build_run(200.0, 380, 380), build_run(100.0, 210, 200, 0.02, number=1)]

    rows = build_rate_table(runs).rows

    assert rows == (
        ("rhizome", "wait", "100", "102 (100–105)", "100 (99–100)", *(["15.0 (10.0–20.0)"] * 3), "5%", "0.5", "none"),
        ("rhizome", "wait", "200", "190", "190", "10.0", "10.0", "10.0", "5%", "0.5", "none"),
    )
