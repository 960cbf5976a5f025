"""What is left of a run: Markdown on the terminal and in a file, plots, and a JSON file with every single figure."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.parts import Options
from benchmarks.plots import can_draw, draw
from benchmarks.result import Result, Table

RESULTS_DIR = Path(__file__).resolve().parent / "results"


def format_table(table: Table) -> str:
    """Builds a Markdown table below its title."""
    lines = [f"### {table.title}", ""]
    lines += ["| " + " | ".join(cells) + " |" for cells in (table.columns, ("---",) * len(table.columns), *table.rows)]
    return "\n".join([*lines, *(["", table.note] if table.note else [])])


def format_result(name: str, result: Result, pictures: tuple[str, ...] = ()) -> str:
    """Builds the Markdown of one part; `pictures` are the file names of its plots."""
    blocks = [f"## {name}", *(format_table(table) for table in result.tables)]
    blocks += [f"![{plot.title}]({file})" for plot, file in zip(result.plots, pictures, strict=False)]
    blocks += [f"- {note}" for note in result.notes]
    return "\n\n".join(blocks) + "\n"


def write_result(
    name: str,
    result: Result,
    options: Options,
    started: datetime,
    machine: Mapping[str, Any],
    folder: Path = RESULTS_DIR,
) -> list[Path]:
    """Writes `<UTC time>-<name>` as `.json`, `.md` and (with matplotlib) one `.svg` a plot; returns their paths."""
    folder.mkdir(exist_ok=True)
    stem = f"{started:%Y%m%dT%H%M%SZ}-{name}"
    pictures = [folder / f"{stem}-{plot.name}.svg" for plot in result.plots] if can_draw() else []
    content = {
        "part": name,
        "started": started.isoformat(),
        "machine": machine,
        "options": {**asdict(options), "given": {key: _plain(value) for key, value in options.given.items()}},
        "result": asdict(result),
    }
    data, text = folder / f"{stem}.json", folder / f"{stem}.md"
    data.write_text(json.dumps(content, indent=1) + "\n")
    text.write_text(format_result(name, result, tuple(path.name for path in pictures)))
    for plot, path in zip(result.plots, pictures, strict=False):  # last: whatever comes of them, the figures stand
        draw(plot, path)
    return [data, text, *pictures]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
