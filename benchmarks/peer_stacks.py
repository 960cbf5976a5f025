"""The other servers as stacks: how each is started, with usage reports switched off.

Each serves the plain stack's pipeline, fitted in its own environment. Settings are those found best
(benchmarks/README.md tells how); each can be changed by the variable that its source names.
"""

import os
import shutil
import subprocess

from benchmarks.peer_environments import SOURCES, find_program
from benchmarks.place import HOST, ROOT, TRAINING_LIMIT_SECONDS, Place, find_free_port
from benchmarks.process_tree import ProcessTree

NO_REPORTS = {
    "DO_NOT_TRACK": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OTEL_SDK_DISABLED": "true",
}
#: MLServer reads its settings from the environment by itself; these are the ones that matter here.
MLSERVER_BEST = {
    "MLSERVER_PARALLEL_WORKERS": "0",
    "MLSERVER_MODEL_MAX_BATCH_SIZE": "64",
    "MLSERVER_MODEL_MAX_BATCH_TIME": "0.001",
}


def _fit(place: Place, environment: str) -> str:
    model = str(place.folder / "model.joblib")
    train = [find_program(environment, "python"), "-m", "benchmarks.baseline.pipeline", "data/iris.csv", model]
    subprocess.run(train, cwd=ROOT, check=True, timeout=TRAINING_LIMIT_SECONDS)
    return model


def start_litserve(place: Place, **settings: str) -> ProcessTree:
    return place.start(
        "litserve",
        [find_program("litserve", "python"), str(SOURCES / "litserve" / "server.py")],
        LITSERVE_MODEL=_fit(place, "litserve"),
        LITSERVE_PORT=str(place.port),
        **NO_REPORTS,
        **settings,
    )


def start_litserve_unbatched(place: Place) -> ProcessTree:
    """Starts it without batching, which answers one user sooner."""
    return start_litserve(place, LITSERVE_BATCH="1")


def start_mlserver(place: Place, **settings: str) -> ProcessTree:
    _fit(place, "mlserver")
    for source in (SOURCES / "mlserver").glob("*.json"):
        shutil.copy(source, place.folder)
    return place.start(
        "mlserver",
        [find_program("mlserver", "mlserver"), "start", str(place.folder)],
        MLSERVER_HTTP_PORT=str(place.port),
        MLSERVER_GRPC_PORT=str(find_free_port()),
        MLSERVER_METRICS_PORT=str(find_free_port()),
        **{name: os.environ.get(name, best) for name, best in MLSERVER_BEST.items()} | settings,
        **NO_REPORTS,
    )


def start_mlserver_unbatched(place: Place) -> ProcessTree:
    """Starts it without batching, which answers one user sooner."""
    return start_mlserver(place, MLSERVER_MODEL_MAX_BATCH_SIZE="0")


def start_bentoml(place: Place) -> ProcessTree:
    listen = ["--host", HOST, "--port", str(place.port)]
    return place.start(
        "bentoml",
        [
            find_program("bentoml", "bentoml"),
            "serve",
            "service:Iris",
            "--working-dir",
            str(SOURCES / "bentoml"),
            *listen,
        ],
        BENTOML_HOME=str(place.folder / "bentoml"),
        BENTOML_MODEL=_fit(place, "bentoml"),
        **NO_REPORTS,
    )


def start_ray(place: Place) -> ProcessTree:
    programs = os.path.dirname(find_program("ray", "python"))  # noqa: PTH120 - Ray starts what lies on the PATH
    return place.start(
        "ray",
        [find_program("ray", "python"), str(SOURCES / "ray" / "server.py")],
        PATH=f"{programs}:{os.environ['PATH']}",
        RAY_PEER_MODEL=_fit(place, "ray"),
        RAY_PEER_PORT=str(place.port),
        RAY_PEER_REDIS_URL=place.redis_url,
        RAY_PEER_FOLDER=str(place.folder / "ray"),
        **NO_REPORTS,
    )
