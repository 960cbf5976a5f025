"""Ties the worker to Celery's life: load before the fork, start and stop each child, pass hints on."""

import gc
import logging

from celery import signals
from celery.worker.control import control_command
from redis.exceptions import RedisError

from rhizome.connection import connect
from rhizome.errors import RhizomeError
from rhizome.registry import Registry
from rhizome.settings import Settings
from rhizome.version_store import VersionStore
from worker.flags import Flags
from worker.process import WorkerProcess
from worker.shelf import Shelf

log = logging.getLogger(__name__)

_flags = Flags()
_process: WorkerProcess | None = None


def current_process() -> WorkerProcess:
    """This prefork child's process; a task can only run in one that was started."""
    if _process is None:
        raise RuntimeError("no worker process was started here")
    return _process


def attach(settings: Settings) -> None:
    """Connects the worker to Celery's signals."""
    shelf = Shelf(VersionStore(settings.models_dir, settings.model_name), settings.signing_key_bytes)

    def load_before_fork(**_: object) -> None:
        _load_champion(settings, shelf)
        # What is loaded now is shared by all children, as long as the collector leaves their pages alone.
        gc.collect()
        gc.freeze()

    def start(**_: object) -> None:
        global _process  # noqa: PLW0603 - one per prefork child, made by the fork
        _process = WorkerProcess(settings, shelf, _flags)
        _process.start()

    def stop(**_: object) -> None:
        if _process is not None:
            _process.stop()

    def shut_down(**_: object) -> None:
        _flags.stop()

    signals.worker_init.connect(load_before_fork, weak=False)
    signals.worker_process_init.connect(start, weak=False)
    signals.worker_process_shutdown.connect(stop, weak=False)
    signals.worker_shutting_down.connect(shut_down, weak=False)


def _load_champion(settings: Settings, shelf: Shelf) -> None:
    redis = connect(settings.redis_url, model_name=settings.model_name)
    try:
        pointer = Registry(redis, settings.model_name).champion()
        if pointer is not None:
            shelf.load_champion(pointer)
    except (RedisError, RhizomeError) as error:
        # Not fatal: each child's keeper follows the pointer by itself, and rejects what cannot be loaded.
        log.warning("champion_not_preloaded", extra={"reason": type(error).__name__})
    finally:
        redis.close()


@control_command(name="reload", args=[("version", str)], signature="VERSION")
def reload(state: object, version: str = "") -> dict[str, str]:
    """The broadcast after a promotion: a hint to look at the champion pointer at once."""
    _flags.hint_reload()
    log.info("reload_hinted", extra={"version": version})
    return {"ok": "hinted"}
