"""A clean copy of the source, its images, and how long they take to build."""

import re
import shutil
import subprocess
import time
from pathlib import Path

from tests.docker.engine import Compose
from tests.docker.report import expect, note

BUILD_SECONDS = 420.0
REBUILD_LIMIT_SECONDS = 30.0
CONTEXT_LIMIT_BYTES = 4_000_000  #: half of it is the Swagger UI
IMAGES = ("redis", "gateway", "worker", "first-training")
_UNITS = {"B": 1, "kB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}


def copy_source(source: Path, folder: Path) -> None:
    """What a clean clone would hold: what git knows or would add, and nothing that it ignores."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=source,
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout
    for name in filter(None, listing.decode().split("\0")):
        if (source / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, folder / name)


def build(compose: Compose) -> str:
    """Builds all images; returns what the builder said."""
    begun = time.monotonic()
    said = compose("--progress", "plain", "build", *IMAGES, seconds=BUILD_SECONDS)
    note(f"all images built in {time.monotonic() - begun:.1f} s")
    return said


def check_context(said: str) -> None:
    """The builder is sent little."""
    sizes = [float(size) * _UNITS[unit] for size, unit in re.findall(r"transferring context: ([\d.]+)([kMG]?B)", said)]
    expect(sizes, "the builder did not say how much context it was sent")
    note(f"context sent: {max(sizes) / 1000:.0f} kB at most")
    expect(max(sizes) <= CONTEXT_LIMIT_BYTES, "the build context is too large; see .dockerignore")


def check_rebuild(compose: Compose) -> None:
    """A change of the source does not touch the layers of the dependencies."""
    changed = compose.folder / "rhizome" / "__init__.py"
    changed.write_text(changed.read_text() + "\n# changed\n")
    begun = time.monotonic()
    said = compose("--progress", "plain", "build", *IMAGES, seconds=BUILD_SECONDS)
    seconds = time.monotonic() - begun
    note(f"after a change of the source: {seconds:.1f} s")
    expect("--require-hashes" in said, "the builder's steps cannot be read")
    numbers = {number for number, _ in re.findall(r"#(\d+) \[[^\]]+\] RUN (--mount=type=cache.*)", said)}
    redone = [number for number in numbers if f"#{number} CACHED" not in said]
    expect(not redone, "a change of the source installs the dependencies again")
    expect(seconds < REBUILD_LIMIT_SECONDS, "a change of the source takes too long to build")
