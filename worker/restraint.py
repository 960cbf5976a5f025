"""What a process of the batch lane may take: time that nobody else wants, and so much memory.

A single job is six short steps in as many processes, and each would wait for the end of a time slice of a batch's.
"""

import os
import resource
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_KIB = 1024


def restrain(memory_bytes: int) -> None:
    """Restrains this process.

    Beyond the limit an allocation fails, and with it a chunk: not the process, and not the machine. Both are Linux's
    own; elsewhere, and where it is forbidden, nothing changes.

    Args:
        memory_bytes: it may take beyond what it holds now.
    """
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    if held := _held_bytes():
        with suppress(OSError, ValueError):
            _, most = resource.getrlimit(resource.RLIMIT_DATA)
            limit = held + memory_bytes
            resource.setrlimit(resource.RLIMIT_DATA, (limit if most < 0 else min(limit, most), most))


def _held_bytes() -> int:
    """Private, writable memory of this process; 0 where it cannot be known."""
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * _KIB
    return 0
