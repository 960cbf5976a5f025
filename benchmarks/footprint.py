"""What each process of a stack costs: CPU time and memory, by the part that the process plays.

A process plays the part that its command names (`worker`, `gateway`, `valkey-server`); what it started plays
`<part> child`. Linux only: from /proc.
"""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process_tree import PROC, TICKS_PER_SECOND, Stat, read_stats

KILOBYTE, MEGABYTE = 1024, 1_000_000
#: Written to /proc/<pid>/clear_refs: the most memory that was resident counts from now on (proc(5)).
RESET_PEAK = "5"
_MODULE_FLAGS = ("-m",)


@dataclass(frozen=True)
class Process:
    """One process and the part it plays."""

    pid: int
    part: str
    cpu_seconds: float


@dataclass(frozen=True)
class Memory:
    """Of one process, in MB (10^6 bytes): resident; with shared pages divided among their users; its own alone."""

    part: str
    rss_mb: float
    pss_mb: float
    uss_mb: float


def find_processes(roots: Iterable[int]) -> list[Process]:
    """The living processes below `roots`, the roots included."""
    stats = read_stats()
    parts: dict[int, str] = {}
    found: list[Stat] = []
    queue = [pid for pid in roots if pid in stats]
    while queue:
        pid = queue.pop()
        if stats[pid].is_zombie:
            continue
        with contextlib.suppress(OSError):  # it has ended
            words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
            parts[pid] = name_part(words, parts.get(stats[pid].parent))
            found.append(stats[pid])
            queue += [stat.pid for stat in stats.values() if stat.parent == pid]
    return [Process(stat.pid, parts[stat.pid], stat.cpu_ticks / TICKS_PER_SECOND) for stat in found]


def name_part(words: list[str], parent: str | None) -> str:
    """The part of a process.

    Args:
        words: its command line.
        parent: its parent's part, if that belongs to the stack.
    """
    if "resource_tracker" in " ".join(words):
        return f"{parent} tracker"
    if parent in (None, "make", "rhizome"):  # the supervisor's children are the service's parts
        return _name_command(words)
    return parent if parent and parent.endswith(" child") else f"{parent} child"


def sum_cpu(before: Iterable[Process], after: Iterable[Process]) -> dict[str, float]:
    """CPU seconds that were spent between two looks, by part; a process that is new counts from its start."""
    spent: dict[str, float] = {}
    begun = {process.pid: process.cpu_seconds for process in before}
    for process in after:
        spent[process.part] = spent.get(process.part, 0.0) + process.cpu_seconds - begun.get(process.pid, 0.0)
    return spent


def read_memory(processes: Iterable[Process]) -> list[Memory]:
    """What each of `processes` holds now."""
    found = []
    for process in processes:
        with contextlib.suppress(OSError):
            sizes = parse_sizes((PROC / str(process.pid) / "smaps_rollup").read_text())
            own = sizes["Private_Clean"] + sizes["Private_Dirty"]
            found.append(Memory(process.part, sizes["Rss"], sizes["Pss"], own))
    return found


def reset_peaks(processes: Iterable[Process]) -> None:
    """From now on `read_peaks` tells of what comes."""
    for process in processes:
        with contextlib.suppress(OSError):
            Path(PROC / str(process.pid) / "clear_refs").write_text(RESET_PEAK)


def read_peaks(processes: Iterable[Process]) -> dict[str, float]:
    """The most memory (RSS, MB) that one process of each part held since `reset_peaks`."""
    peaks: dict[str, float] = {}
    for process in processes:
        with contextlib.suppress(OSError):
            sizes = parse_sizes((PROC / str(process.pid) / "status").read_text())
            peaks[process.part] = max(peaks.get(process.part, 0.0), sizes["VmHWM"])
    return peaks


def parse_sizes(text: str) -> Mapping[str, float]:
    """The lines `<name>: <n> kB` of a file below /proc, in MB."""
    sizes = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        number, _, unit = rest.strip().partition(" ")
        if unit == "kB":
            sizes[name] = int(number) * KILOBYTE / MEGABYTE
    return sizes


def _name_command(words: list[str]) -> str:
    for flag in _MODULE_FLAGS:
        if flag in words[:-1]:
            place = words.index(flag) + 1
            following = [word for word in words[place + 1 : place + 2] if word in ("beat", "webhooks", "batches")]
            return " ".join([words[place], *following])
    program = Path(words[0].partition(" ")[0]).name
    is_script = program.startswith("python") and len(words) > 1 and not words[1].startswith("-")
    return Path(words[1]).name if is_script else program or "unknown"
