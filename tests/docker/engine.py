"""Docker and Compose as this run uses them: every command bounded, every answer text or parsed JSON."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.docker.report import Failed

SECONDS = 60.0  #: for commands that only ask or poke
DEFAULT_IMAGES = {"PYTHON_IMAGE": "python:3.13-slim-bookworm", "REDIS_IMAGE": "redis:7-bookworm"}
_FALLBACKS = {"PYTHON_IMAGE": r"python:3\.1[1-9]-slim.*", "REDIS_IMAGE": r"(redis|valkey/valkey):[78].*"}
PULL_SECONDS = 180.0


def find_missing() -> str:
    """Why there can be no run here, or an empty string."""
    if not shutil.which("docker"):
        return "there is no docker command on this machine"
    if _run(["docker", "info"]).returncode:
        return "no Docker engine answers"
    if _run(["docker", "compose", "version"]).returncode:
        return "docker compose (version 2) is not installed"
    return ""


def choose_image(variable: str) -> str:
    """The base image to use: what the variable says, the default, or where that cannot be had the newest one here."""
    given = os.environ.get(variable)
    default = DEFAULT_IMAGES[variable]
    if given or _run(["docker", "image", "inspect", default]).returncode == 0:
        return given or default
    if _run(["docker", "pull", "--quiet", default], seconds=PULL_SECONDS).returncode == 0:
        return default
    here = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    fitting = sorted((name for name in here if re.fullmatch(_FALLBACKS[variable], name)), reverse=True)
    return fitting[0] if fitting else ""


def docker(*arguments: str, seconds: float = SECONDS) -> str:
    """Runs a docker command; returns what it wrote to standard output."""
    return _checked(["docker", *arguments], seconds)


def inspect(name: str) -> dict[str, Any]:
    """What the engine knows of a container or an image."""
    answer: list[dict[str, Any]] = json.loads(docker("inspect", name))
    return answer[0]


def exec_in(container: str, *command: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """Runs a command in a running container; its failure is an answer, too."""
    return _run(["docker", "exec", container, *command], seconds=seconds)


class Compose:
    """One project, started from one folder with one environment."""

    def __init__(self, folder: Path, project: str, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.project = project
        self._environment = {**os.environ, **environment, "COMPOSE_PROJECT_NAME": project}
        self._replicas: list[str] = []

    def __call__(self, *arguments: str, seconds: float = SECONDS) -> str:
        """Runs `docker compose …`; returns standard output and, as Compose reports there, standard error."""
        # The project's name is in the environment: with --project-name some commands would not read the file.
        command = ["docker", "compose", "--ansi", "never", *arguments]
        return _checked(command, seconds, self.folder, self._environment, with_errors=True)

    def config(self) -> dict[str, Any]:
        """The resolved file, profiles included."""
        command = ["docker", "compose", "--profile", "*", "config", "--format", "json"]
        parsed: dict[str, Any] = json.loads(_checked(command, SECONDS, self.folder, self._environment))
        return parsed

    def up(self, *arguments: str, seconds: float = 180.0) -> str:
        """`up --detach --wait` with as many workers as `scale` last asked for."""
        return self("up", "--detach", "--wait", *self._replicas, *arguments, seconds=seconds)

    def scale(self, workers: int) -> None:
        """So many workers, from now on."""
        self._replicas = ["--scale", f"worker={workers}"]
        self.up("--no-recreate")

    def containers(self, service: str = "", *, all_states: bool = False) -> list[str]:
        """Names of a service's containers, running ones unless asked for all."""
        filters = ["--filter", f"label=com.docker.compose.project={self.project}"]
        if service:
            filters += ["--filter", f"label=com.docker.compose.service={service}"]
        listing = docker("ps", *(["--all"] if all_states else []), *filters, "--format", "{{.Names}}")
        return sorted(listing.split())

    def container(self, service: str) -> str:
        """A service's only, or first, container."""
        names = self.containers(service, all_states=True)
        if not names:
            raise Failed(f"{service} has no container")
        return names[0]


def health(container: str) -> str:
    """`healthy`, `unhealthy`, `starting`, or the container's state where it does not run."""
    state = inspect(container)["State"]
    return str(state["Health"]["Status"] if state["Running"] else state["Status"])


def service_of(container: str) -> str:
    """The compose service that a container belongs to."""
    return str(inspect(container)["Config"]["Labels"]["com.docker.compose.service"])


def _checked(
    command: Sequence[str],
    seconds: float,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    with_errors: bool = False,
) -> str:
    done = _run(command, seconds=seconds, folder=folder, environment=environment)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise Failed(f"{' '.join(command)[:160]} ended with {done.returncode}:\n{tail}")
    return done.stdout + done.stderr if with_errors else done.stdout


def _run(
    command: Sequence[str],
    *,
    seconds: float = SECONDS,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            timeout=seconds,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)[:160]} did not end within {seconds:g} s") from None
