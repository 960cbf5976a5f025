"""Full disks: small file systems of their own, filled to the last byte while users are there."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from tests.chaos.suite.kills import AWAY, REDIS_SECONDS
from tests.chaos.suite.phase import Phase
from tests.chaos.suite.stage import Stage

DISK_MB = 160
FREE_MB = 16  #: of the store of files, what uploads leave
FULL_SECONDS = 6.0
BLOCK = b"\0" * 1_000_000
RETRY_SECONDS = 5.0  #: what could not be written is tried again every 2 s


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of `DISK_MB` at `folder`, which is made; yields whether that could be."""
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={DISK_MB}m"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True, check=False)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "--lazy", folder], check=False)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is left within."""
    ballast = folder / "ballast"
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(BLOCK):
                pass
        yield
    finally:
        ballast.unlink(missing_ok=True)


def fill(stage: Stage, folder: Path, bound: float) -> None:
    for _ in range(1 if stage.is_short else 2):
        with filled(folder):
            stage.counts["bombs"] += 1
            time.sleep(FULL_SECONDS)
        stage.recover("a disk with room again", bound)


def blobs_phase(folder: Path) -> Phase:
    """The folder of files is full: files are refused, answers wait, everything else goes on."""
    refused = ("file_store_full", "file_store_unavailable")
    return Phase("the disk of files full", partial(fill, folder=folder, bound=RETRY_SECONDS), refused)


def var_phase(folder: Path) -> Phase:
    """The disk of Redis, logs and files is full: nothing can be promised until there is room."""
    refused = (*AWAY, "storage_full", "file_store_full", "file_store_unavailable")
    return Phase("the disk of var full", partial(fill, folder=folder, bound=REDIS_SECONDS + RETRY_SECONDS), refused)
