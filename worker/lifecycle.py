"""Ties the worker to Celery's life: import before the fork, start, watch and stop each child, pass hints on.

The parent imports what the champion needs and calls none of it: native code may start threads at its first call, which
a child does not have after the fork, and would wait for for ever.
"""

import gc
import logging

from billiard.process import current_process as current_child
from celery import Celery, signals
from celery.worker.control import control_command
from redis.exceptions import RedisError

from rhizome.artifact import read_artifact
from rhizome.connection import connect
from rhizome.errors import RhizomeError
from rhizome.jobs import Lane
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.version_store import VersionStore
from worker.flags import Flags
from worker.process import WorkerProcess
from worker.seats import Seats
from worker.shelf import Shelf, import_modules
from worker.warden import Warden, build_step

PROCESS_START_SECONDS = 60.0  #: Celery kills a child that is not up by then, and the time to load a version

log = logging.getLogger(__name__)

_flags = Flags()
_process: WorkerProcess | None = None


def current_process() -> WorkerProcess:
    """This prefork child's process; a task can only run in one that was started."""
    if _process is None:
        raise RuntimeError("no worker process was started here")
    return _process


def attach(app: Celery, settings: Settings, lane: Lane) -> None:
    """Connects a lane's Celery worker to its warden, and its children's lives to Celery's signals."""
    store = VersionStore(settings.models_dir, settings.model_name)
    seats = Seats(settings.load_time_limit_seconds, settings.score_time_limit_seconds)

    def import_before_fork(version: str) -> None:
        _import_libraries(store, settings, version)
        # What is imported now is shared by all children, as long as the collector leaves their pages alone.
        gc.collect()
        gc.freeze()

    warden = Warden(seats, import_before_fork)

    def begin(**_: object) -> None:
        import_before_fork(_find_champion(settings))

    def start(**_: object) -> None:
        global _process  # noqa: PLW0603 - one per prefork child, made by the fork
        index = getattr(current_child(), "index", None)  # the child's place in the pool
        shelf = Shelf(store, settings.signing_key_bytes, seats.at(index))
        _process = WorkerProcess(settings, shelf, _flags, lane)
        _process.start(warden.how_ended(index))

    def stop(**_: object) -> None:
        if _process is not None:
            _process.stop()

    def shut_down(**_: object) -> None:
        _flags.stop()

    app.steps["worker"].add(build_step(warden))
    # A child is up once it has tried to load the champion, which the warden bounds.
    app.conf.worker_proc_alive_timeout = settings.load_time_limit_seconds + PROCESS_START_SECONDS
    signals.worker_init.connect(begin, weak=False)
    signals.worker_process_init.connect(start, weak=False)
    signals.worker_process_shutdown.connect(stop, weak=False)
    signals.worker_shutting_down.connect(shut_down, weak=False)


def _find_champion(settings: Settings) -> str:
    """The champion's version; empty where none is known."""
    redis = connect(settings.redis_url, model_name=settings.model_name)
    try:
        pointer = Registry(redis, settings.model_name).champion()
    except RedisError as error:
        # Not fatal: each child follows the pointer by itself, and imports what it needs.
        log.warning("champion_not_found", extra={"reason": type(error).__name__})
        return ""
    finally:
        redis.close()
    return pointer.version if pointer else ""


def _import_libraries(store: VersionStore, settings: Settings, version: str) -> None:
    """Imports what a version names; a child that is forked later finds it ready."""
    if not version:
        return
    try:
        artifact = read_artifact(store.path(version), signing_key=settings.signing_key_bytes)
    except RhizomeError as error:  # the children will say so
        log.warning("libraries_not_imported", extra={"version": version, "reason": type(error).__name__})
        return
    import_modules(artifact.find_modules())


@control_command(name="reload", args=[("version", str)], signature="VERSION")
def reload(state: object, version: str = "") -> dict[str, str]:
    """The broadcast after a promotion: a hint to look at the champion pointer at once."""
    _flags.hint_reload()
    log.info("reload_hinted", extra={"version": version})
    return {"ok": "hinted"}
