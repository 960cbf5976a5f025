"""Healthchecks that tell a hanging process: each kind is stopped (SIGSTOP), found out, continued, and well again."""

from typing import NamedTuple

from tests.docker.engine import Compose, exec_in, health
from tests.docker.report import expect, note, wait_for

UNHEALTHY_SECONDS = 75.0  #: a worker's child may be busy for 30 s before three checks must fail
HEALTHY_SECONDS = 30.0


class Target(NamedTuple):
    """A process inside a container: the container, and the role that its pulse names."""

    container: str
    role: str


def check_hanging_processes(compose: Compose) -> None:
    """Main processes, and children of the workers of each lane."""
    workers = compose.containers("worker")
    targets = [
        Target(compose.container("gateway"), "server"),
        Target(workers[0], "main"),
        Target(workers[1], "child"),
        Target(compose.container("batches"), "child"),
        Target(compose.container("trainer"), "main"),
        Target(compose.container("beat"), "main"),
        Target(compose.container("webhooks"), "main"),
    ]
    pids = {target: _find_pid(target) for target in targets}
    for target, pid in pids.items():
        _signal(target.container, pid, "STOP")
    for target in targets:
        seconds = wait_for(
            lambda target=target: health(target.container) == "unhealthy",
            UNHEALTHY_SECONDS,
            f"{target.container} seems healthy while its {target.role} process hangs",
        )
        note(f"{target.container}: a hanging {target.role} process was found (+{seconds:.0f} s)")
    expect(health(workers[2]) == "healthy", "a worker became unhealthy without reason")
    for target, pid in pids.items():
        _signal(target.container, pid, "CONT")
    for target in targets:
        _await_healthy(target.container)


def check_hanging_redis(compose: Compose) -> None:
    """Redis is found out; those who only wait for it stay healthy, as restarting them would not help."""
    redis = compose.container("redis")
    _signal(redis, "$(pidof redis-server valkey-server)", "STOP")
    wait_for(lambda: health(redis) == "unhealthy", UNHEALTHY_SECONDS, "Redis seems healthy while it hangs")
    waiting = {
        name: health(name)
        for service in ("worker", "batches", "trainer", "beat", "webhooks")
        for name in compose.containers(service)
    }
    _signal(redis, "$(pidof redis-server valkey-server)", "CONT")
    expect(set(waiting.values()) == {"healthy"}, f"Redis was away, and blamed were: {waiting}")
    _await_healthy(redis)


def _find_pid(target: Target) -> str:
    listing = exec_in(target.container, "sh", "-c", f"ls /tmp/pulse | grep '^{target.role}[.]'").stdout.split()
    expect(listing, f"{target.container} has no pulse of a {target.role} process")
    return listing[0].rpartition(".")[2]


def _signal(container: str, pid: str, name: str) -> None:
    done = exec_in(container, "sh", "-c", f"kill -{name} {pid}")
    expect(done.returncode == 0, f"no signal reached {container}: {done.stderr}")


def _await_healthy(container: str) -> None:
    wait_for(lambda: health(container) == "healthy", HEALTHY_SECONDS, f"{container} did not recover")
