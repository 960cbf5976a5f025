"""What is left of a run."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.parts import Options
from benchmarks.progress import format_duration
from benchmarks.report import format_result, write_result
from benchmarks.result import Plot, Result, Series, Table, show_ratio, spread

TABLE = Table("Fruit", ("name", "kg"), (("pear", "2"), ("plum", "1")), "Weighed at noon.")
SERIES = Series("pear", (1.0, 10.0), (2.0, 3.0), (1.0, 2.0), (3.0, 4.0))
PLOT = Plot("weights", "Weights", "age", "kg", (SERIES,), log_x=True)
STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_result_is_markdown():
    assert format_result("fruit", Result((TABLE,), notes=("no figs",))) == (
        "## fruit\n\n### Fruit\n\n| name | kg |\n| --- | --- |\n| pear | 2 |\n| plum | 1 |\n\n"
        "Weighed at noon.\n\n- no figs\n"
    )


def test_the_file_holds_options_machine_and_every_figure(tmp_path: Path):
    result = Result((TABLE,), figures={"weights": [2, 1]})

    data, text = write_result("fruit", result, Options(given={"users": (1, 2)}), STARTED, {"cores": 2}, tmp_path)

    content = json.loads(data.read_text())
    assert (data.name, text.name) == ("20260102T030405Z-fruit.json", "20260102T030405Z-fruit.md")
    assert content["result"]["figures"] == {"weights": [2, 1]}
    assert content["options"]["given"] == {"users": [1, 2]}
    assert content["machine"] == {"cores": 2}


def test_a_plot_is_a_picture_beside_the_file(tmp_path: Path):
    pytest.importorskip("matplotlib", reason="only the benchmarks' requirements bring it")
    result = Result((), (PLOT,))

    *_, picture = write_result("fruit", result, Options(), STARTED, {}, tmp_path)

    assert picture.name == "20260102T030405Z-fruit-weights.svg"
    assert "<svg" in picture.read_text()


def test_without_matplotlib_the_figures_are_left_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(report, "can_draw", lambda: False)
    result = Result((TABLE,), (PLOT,))

    data, text = write_result("fruit", result, Options(), STARTED, {}, tmp_path)

    assert json.loads(data.read_text())["result"]["plots"]
    assert TABLE.title in text.read_text()
    assert ".svg" not in text.read_text()


def test_a_plot_that_cannot_be_drawn_costs_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(plot: Plot, path: Path) -> None:
        raise OSError("no font")

    monkeypatch.setattr(report, "can_draw", lambda: True)
    monkeypatch.setattr(report, "draw", fail)
    result = Result((TABLE,), (PLOT,))

    with pytest.raises(OSError, match="no font"):
        write_result("fruit", result, Options(), STARTED, {}, tmp_path)

    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".md"]


def test_one_round_has_no_spread():
    assert spread([1500.0]).show(1) == "1,500.0"
    assert spread([3.0, 1.0, 2.0]).show(0) == "2 (1–3)"


def test_nothing_is_divided_by_nothing():
    assert show_ratio(spread([3.0]), spread([0.0])) == "-"
    assert show_ratio(spread([3.0]), spread([2.0])) == "1.50 ×"


@pytest.mark.parametrize(("seconds", "text"), [(5.4, "0:05"), (65, "1:05"), (7265, "2:01:05")])
def test_durations_are_written_like_a_clock(seconds: float, text: str):
    assert format_duration(seconds) == text
