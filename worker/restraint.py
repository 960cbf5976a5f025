"""How much memory a process of the batch lane may take: beyond it an allocation fails, and with it a chunk.

Not the process, and not the machine. Linux's own; elsewhere, and where it is forbidden, nothing changes.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_KIB = 1024

_allowed_bytes = 0  #: beyond what this process holds; 0 for no limit


def restrain(memory_bytes: int) -> None:
    """Restrains this process.

    Args:
        memory_bytes: it may take beyond what it holds now.
    """
    global _allowed_bytes  # noqa: PLW0603 - a limit is the whole process's
    _allowed_bytes = memory_bytes
    if held := _held_bytes():
        _limit(held + memory_bytes)


@contextmanager
def lifted() -> Iterator[None]:
    """Loads a version: what it keeps is no chunk's, so the limit grows by as much. After a failure it is the former."""
    former = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if not _allowed_bytes or former == resource.RLIM_INFINITY:
        yield
        return
    limit, before = former, _held_bytes()
    try:
        _limit(resource.RLIM_INFINITY)
        yield
        limit = _grow(former, before, _held_bytes())
    finally:
        _limit(limit)


def _grow(former: int, before: int, after: int) -> int:
    """The limit after a load, before and after which so much was held; the memory of a chunk beside it counts in both.

    What that chunk took meanwhile cannot be told from what the load kept. The second bound takes it back at a later
    load, and what versions held that were let go of. Alone it would give each chunk a whole allowance more.
    """
    if not before or not after:
        return former
    return min(former + max(0, after - before), after + _allowed_bytes)


def _limit(size: int) -> None:
    with suppress(OSError, ValueError):
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        is_bounded = most != resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_DATA, (most if is_bounded and not 0 <= size <= most else size, most))


def _held_bytes() -> int:
    """Private, writable memory of this process; 0 where it cannot be known."""
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * _KIB
    return 0
