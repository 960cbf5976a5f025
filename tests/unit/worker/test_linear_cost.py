"""What a call costs is learnt from calls of different sizes, and followed when it changes."""

import pytest

from worker.linear_cost import LinearCost
from worker.pace import WorkPace


def learnt(per_call: float, per_item: float, sizes: tuple[int, ...] = (1, 64, 256)) -> LinearCost:
    cost = LinearCost()
    for items in sizes:
        cost.add(items, per_call + per_item * items)
    return cost


def test_before_the_first_call_nothing_is_known() -> None:
    assert (LinearCost().is_known, LinearCost().of(100)) == (False, 0.0)


@pytest.mark.parametrize(("per_call", "per_item"), [(0.3, 0.001), (10.0, 0.05), (0.0, 2.0)])
def test_the_shares_of_a_call_and_of_its_items_are_told_apart(per_call: float, per_item: float) -> None:
    cost = learnt(per_call, per_item)

    assert cost.of(1000) == pytest.approx(per_call + 1000 * per_item, rel=0.02)
    assert cost.of(1) == pytest.approx(per_call + per_item, rel=0.02)


def test_many_small_calls_do_not_make_items_look_dear() -> None:
    cost = learnt(10.0, 0.001)
    for _ in range(500):
        cost.add(1, 10.0)

    assert cost.of(1000) < 10.0 + 1000 * 0.06


def test_a_change_is_followed() -> None:
    cost = learnt(10.0, 0.05)

    for _ in range(200):
        cost.add(1, 1.0)
        cost.add(256, 2.0)

    assert cost.of(256) == pytest.approx(2.0, rel=0.05)


def test_noise_never_makes_a_negative_cost() -> None:
    cost = LinearCost()
    for items, milliseconds in ((1, 50.0), (256, 1.0), (1, 60.0), (256, 1.0)):
        cost.add(items, milliseconds)

    per_call, per_item = cost.fit()

    assert per_call >= 0
    assert per_item >= 0


def test_a_backlog_is_estimated_by_full_micro_batches() -> None:
    pace = WorkPace(micro_batch_rows=100)

    pace.add_singles(1, 10.1)
    pace.add_singles(100, 20.0)

    assert pace.single_ms == pytest.approx(10.1, rel=0.05)
    assert pace.entry_ms == pytest.approx(0.2, rel=0.05)


def test_chunks_are_averaged() -> None:
    pace = WorkPace(100)

    for milliseconds in (10.0, 20.0):
        pace.add_chunk(10, milliseconds)

    assert 10.0 < pace.chunk_ms < 20.0


def test_a_chunk_of_a_small_batch_makes_no_figure_of_single_jobs_younger() -> None:
    pace = WorkPace(100)
    pace.add_singles(1, 10.0)
    measured_at = pace.measured_at

    pace.add_chunk(10, 10.0)

    assert pace.measured_at == measured_at
