"""What each process of a stack is for: its role, read from its command line or inherited from its parent."""

from collections.abc import Mapping, Sequence

from benchmarks.process_tree import PROC, Stat

#: What follows `python -m` in the command lines of Rhizome's processes; the longer match counts.
ROLES_OF_MODULES = {
    ("rhizome",): "supervisor",
    ("gateway",): "gateway",
    ("worker",): "worker",
    ("worker", "batches"): "batch worker",
    ("worker", "webhooks"): "deliverer",
    ("trainer", "serve"): "trainer",
    ("trainer", "beat"): "beat",
}


def name_role(words: Sequence[str]) -> str | None:
    """Names the role of a process by the words of its command line; None if they do not tell."""
    if "-m" not in words:
        return None
    module = tuple(words[words.index("-m") + 1 :])
    return ROLES_OF_MODULES.get(module[:2]) or ROLES_OF_MODULES.get(module[:1])


def assign_roles(members: Sequence[Stat], roles: Mapping[int, str | None], service: str) -> dict[str, list[Stat]]:
    """Groups processes by role: their own, else their nearest ancestor's, else the service's name.

    Args:
        members: the processes of one service.
        roles: by pid, what `name_role` said.
        service: the service's name.
    """
    by_pid = {stat.pid: stat for stat in members}
    grouped: dict[str, list[Stat]] = {}
    for stat in members:
        one: Stat | None = stat
        while one is not None and not roles.get(one.pid):
            one = by_pid.get(one.parent)
        role = (roles.get(one.pid) if one is not None else None) or service
        grouped.setdefault(role, []).append(stat)
    return grouped


def read_words(pid: int) -> list[str]:
    """Reads the words of a command line; none if the process has ended."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    except OSError:
        return []
