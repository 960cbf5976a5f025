"""The cells of growth, and how they are shown."""

from pathlib import Path

import pytest

from benchmarks.growth import PART, build_plots, build_tables, write_dataset
from benchmarks.parts import Options, choose_options
from benchmarks.stacks import StackError


def cell(submit: float, poll: float) -> dict[str, list[float]]:
    names = ("submit_p50_ms", "submit_p99_ms", "poll_p50_ms", "poll_p99_ms", "redis_mb", "gateway_mb")
    return dict(zip(names, ([submit], [submit], [poll], [poll], [9.0], [50.0]), strict=True))


def test_the_largest_is_compared_with_the_smallest():
    found = {"depth": {"10": cell(2.0, 1.0), "1,000": cell(9.0, 9.0), "1,000,000": cell(2.2, 0.9)}}

    (table,) = build_tables(found)

    assert "submit +10%, poll -10%" in table.note


def test_sizes_are_the_plots_axis():
    (plot,) = build_plots({"results": {"0": cell(1.0, 1.0), "1,000": cell(1.0, 1.0)}})

    assert plot.series[0].x == (1.0, 1000.0)


def test_a_section_that_is_not_known_is_named():
    options = choose_options(PART, False, {}, {"sections": ("deep",)})

    with pytest.raises(StackError, match="deep"):
        PART.estimate_seconds(options)


def test_a_quick_run_is_estimated_shorter():
    quick, full = (choose_options(PART, is_quick, {}, {}) for is_quick in (True, False))

    assert isinstance(quick, Options)
    assert PART.estimate_seconds(quick) < PART.estimate_seconds(full) / 5


def test_a_dataset_has_as_many_features_as_asked_for_and_three_classes(tmp_path: Path):
    rows = write_dataset(tmp_path / "rows.csv", 16)

    header, *lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert len(header.split(",")) == 17
    assert len(rows[0]) == 16
    assert {line.rpartition(",")[2] for line in lines} == {"low", "middle", "high"}
