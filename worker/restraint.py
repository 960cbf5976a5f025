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
    """Loads a version: what it holds is no chunk's. The limit holds again afterwards, beyond what is held by then."""
    if not _allowed_bytes:
        yield
        return
    _limit(resource.RLIM_INFINITY)
    try:
        yield
    finally:
        restrain(_allowed_bytes)


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
