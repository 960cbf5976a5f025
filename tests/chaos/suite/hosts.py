"""A second worker host: with a network, a name, a folder of versions and, if wanted, a clock of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from benchmarks.footprint import find_processes
from rhizome import keys
from rhizome.heartbeats import Heartbeat
from rhizome.runfile import find_run
from tests.chaos.suite.phase import Phase, Recovery, Skipped
from tests.chaos.suite.stage import Stage
from tests.support.proxy import Proxy
from tests.support.service import ROOT, eventually
from tests.support.training import train_another

NAME = "second-host"
BEHIND_SECONDS = 6.0
START_SECONDS, STOP_SECONDS = 30.0, 30.0
CATCH_UP_SECONDS = 20.0
SKEW_SECONDS = 30
_networks = count()
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@contextmanager
def own_network() -> Iterator[tuple[str, list[str]]]:
    """The address of this side, and the words that run a command on the other; loopback and none without root."""
    number = (os.getpid() + next(_networks)) % 250
    space, here, there = f"rhizome{number}", f"rz{number}a", f"rz{number}b"
    near, far = f"10.213.{number}.1", f"10.213.{number}.2"
    steps = (
        f"ip netns add {space}",
        f"ip link add {here} type veth peer name {there}",
        f"ip link set {there} netns {space}",
        f"ip addr add {near}/30 dev {here}",
        f"ip link set {here} up",
        f"ip netns exec {space} ip addr add {far}/30 dev {there}",
        f"ip netns exec {space} ip link set {there} up",
        f"ip netns exec {space} ip link set lo up",
    )
    try:
        is_made = all(_run(step) for step in steps)
        yield (near, ["ip", "netns", "exec", space]) if is_made else ("127.0.0.1", [])
    finally:
        _run(f"ip link del {here}")
        _run(f"ip netns del {space}")


def _run(command: str) -> bool:
    with suppress(OSError):
        return subprocess.run(command.split(), capture_output=True, check=False).returncode == 0
    return False


@contextmanager
def second_host(stage: Stage, models: Path, **environment: str) -> Iterator[None]:
    """Worker processes like those of the service, elsewhere; gone afterwards."""
    run = find_run(stage.service.var)
    assert run is not None
    redis = urlsplit(run.redis_url)
    with ExitStack() as clean_up:
        address, prefix = clean_up.enter_context(own_network())
        proxy = clean_up.enter_context(Proxy((str(redis.hostname), int(redis.port or 0)), address).running())
        changed = {
            "RHIZOME_REDIS_URL": run.redis_url.replace(f"127.0.0.1:{redis.port}", f"{address}:{proxy.port}"),
            "RHIZOME_MODELS_DIR": str(models),
            **environment,
        }
        parts = [part for part in ("worker", "worker batches") if stage.pids(part)]
        roots = [clean_up.enter_context(_process(stage, part, prefix, changed)) for part in parts]
        eventually(lambda: _has_begun(stage, roots), START_SECONDS, "a sign of life of the second host")
        yield


@contextmanager
def _process(stage: Stage, part: str, prefix: list[str], changed: dict[str, str]) -> Iterator[int]:
    """The same as the service's own `part`, with another environment."""
    words = Path(f"/proc/{stage.pid(part)}/environ").read_bytes().decode().split("\0")
    known = dict(word.split("=", 1) for word in words if "=" in word)
    named = (
        ["unshare", "--uts", "sh", "-c", f'hostname {NAME} && exec "$@"', "sh"] if _run("unshare --uts true") else []
    )
    command = [*prefix, *named, sys.executable, "-m", *part.split()]
    with (stage.folder / "second-host.jsonl").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=known | changed,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        begun = time.monotonic()
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        stage.recoveries.append(Recovery("its end in order", time.monotonic() - begun, STOP_SECONDS))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)


def _has_begun(stage: Stage, roots: list[int]) -> bool:
    """Whether a process below `roots` has said that it serves a version, at whatever time it takes it to be."""
    pids = {process.pid for process in find_processes(roots)}
    with stage.redis() as redis:
        beats = [msgspec.json.decode(beat, type=Heartbeat) for beat in redis.hgetall(keys.PROCESSES).values()]
    return any(beat.pid in pids and beat.version for beat in beats)


def lag_behind(stage: Stage) -> None:
    """A version is promoted that the second host does not have yet; later it comes."""
    models = stage.folder / "models-elsewhere"
    shutil.copytree(stage.service.models, models)
    with second_host(stage, models):
        version = train_another(stage.service, estimator="trainer.estimators:random_forest")
        stage.service.admin(f"/models/{version}/promote").raise_for_status()
        time.sleep(BEHIND_SECONDS)
        shutil.copytree(stage.versions / version, models / stage.versions.name / version)
        eventually(
            lambda: stage.service.health()["workers"]["converged"], CATCH_UP_SECONDS, "the host that lagged behind"
        )
    shutil.rmtree(models)


def skew(stage: Stage) -> None:
    """One more host is ahead of time, and one behind."""
    if not FAKETIME.exists():
        raise Skipped("libfaketime is missing; on Debian: apt install faketime")
    clock = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with (
        second_host(stage, stage.service.models, FAKETIME=f"+{SKEW_SECONDS}s", **clock),
        second_host(stage, stage.service.models, FAKETIME=f"-{SKEW_SECONDS}s", **clock),
    ):
        time.sleep(BEHIND_SECONDS)


PHASES = (
    Phase("a worker host that lags behind", lag_behind),
    Phase(f"worker hosts {SKEW_SECONDS} s ahead and behind", skew),
)
