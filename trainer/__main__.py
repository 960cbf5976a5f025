"""`python -m trainer`: train, promote and roll back from a shell, in this process; or run the trainer, or beat.

Logs go to standard output; with `--json` what was done does, as one document, and logs go to standard error.

Exit codes: 0 done, 1 an error (one line, no trace), 2 wrong usage, 3 the gate refused the candidate.
"""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import click
import msgspec
from redis import Redis
from redis.exceptions import RedisError

from rhizome import keys
from rhizome.connection import DatabaseTaken, connect
from rhizome.errors import QueueUnavailable, RhizomeError
from rhizome.lineage import compare
from rhizome.ownership import await_own_database
from rhizome.registry import Pointer, Registry
from rhizome.resumption import resume
from rhizome.settings import Settings, load_settings
from rhizome.stray_output import log_stray_output
from rhizome.telemetry import configure_logging
from rhizome.training_runs import Outcome, claim_run
from rhizome.version_store import VersionStore
from trainer.console import configure_console
from trainer.promotion import Announce, Promoter, broadcast_through
from trainer.recovery import adopt
from trainer.run import Wishes, execute_run

logger = logging.getLogger("trainer")

EXIT_ERROR = 1
EXIT_REFUSED = 3
_EXIT_CODES = {
    Outcome.PROMOTED: 0,
    Outcome.TRAINED: 0,
    Outcome.UNCHANGED: 0,
    Outcome.REFUSED: EXIT_REFUSED,
    Outcome.FAILED: EXIT_ERROR,
}
_POLL_SECONDS = 1.0

json_option = click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON document.")


@click.group()
def main() -> None:
    """Train, promote and roll back versions."""


@main.command()
@click.option("--reason", default="command line", show_default=True, help="Recorded in the manifest.")
@click.option(
    "--if-missing",
    is_flag=True,
    help="If a version is promoted already, leave it to the trainer to follow what has changed since.",
)
@click.option("--no-promote", is_flag=True, help="Publish the version, but leave the champion.")
@click.option("--force", is_flag=True, help="Train though nothing has changed, and promote whatever the gate finds.")
@click.option(
    "--even-if-unchanged", is_flag=True, help="Train though nothing has changed; the gate judges all the same."
)
@click.option("--allow-new-schema", is_flag=True, help="Accept other features, targets or classes than the champion's.")
@json_option
def train(
    *,
    reason: str,
    if_missing: bool,
    no_promote: bool,
    force: bool,
    even_if_unchanged: bool,
    allow_new_schema: bool,
    as_json: bool,
) -> None:
    """Train a version, judge it, and promote it if it passes the gate.

    Nothing is trained where dataset, settings and libraries are those of a version that stands: it would be the same.
    """
    wishes = Wishes(
        promote=not no_promote, force=force, even_if_unchanged=even_if_unchanged, allow_new_schema=allow_new_schema
    )
    with _command(as_json=as_json) as (settings, redis):
        if if_missing and _resume(settings, redis, as_json=as_json, allow_new_schema=allow_new_schema):
            return
        run_id = _claim(redis, reason)
        result = execute_run(settings, redis, _announce(settings), run_id, reason, wishes)
        if as_json and result:
            _print(
                {
                    "model": settings.model_name,
                    "run_id": run_id,
                    "status": result.outcome,
                    "version": result.version,
                    "detail": result.detail,
                }
            )
    sys.exit(_EXIT_CODES[result.outcome] if result else EXIT_ERROR)


@main.command()
@click.argument("version")
@click.option("--reason", default="operator", show_default=True, help="Recorded in the champion pointer.")
@click.option("--force", is_flag=True, help="Promote it though it did not pass its gate.")
@json_option
def promote(version: str, reason: str, force: bool, as_json: bool) -> None:
    """Make VERSION the champion."""
    with _command(as_json=as_json) as (settings, redis):
        adopt(settings, Registry(redis, settings.model_name))
        pointer = _promoter(settings, redis).promote_version(version, reason=reason, force=force)
        _print_pointer(settings, pointer, as_json)


@main.command()
@click.option("--reason", default="operator", show_default=True, help="Recorded in the champion pointer.")
@json_option
def rollback(reason: str, as_json: bool) -> None:
    """Put the former champion back."""
    with _command(as_json=as_json) as (settings, redis):
        _print_pointer(settings, _promoter(settings, redis).roll_back(reason=reason), as_json)


@main.command()
def serve() -> None:
    """Run the trainer: consume training runs until SIGTERM."""
    from rhizome.celery_app import run_worker  # noqa: PLC0415 - `train --if-missing` must not pay for Celery
    from trainer.app import app  # noqa: PLC0415 - reads the environment

    await_own_database(load_settings())
    run_worker(app, "trainer", "--concurrency", "1")


@main.command("beat")
def run_beat() -> None:
    """Run Celery beat: send what is due until SIGTERM."""
    from trainer.app import app  # noqa: PLC0415 - reads the environment

    await_own_database(load_settings())
    app.start(["--quiet", "beat"])


@contextmanager
def _command(*, as_json: bool) -> Iterator[tuple[Settings, Redis]]:
    """Settings, logs and Redis for one command; ends the process with one line where something is wrong."""
    try:
        settings = load_settings()
    except RhizomeError as error:
        sys.exit(f"error: {error}")
    log = sys.stderr if as_json else sys.stdout
    if log.isatty():
        configure_console()
    else:
        configure_logging("trainer", settings.log_level, "stderr" if as_json else "stdout")
        if not as_json:  # else standard output is the document's
            log_stray_output("trainer")
    try:
        redis = connect(settings.redis_url, model_name=settings.model_name)
        redis.ping()
        yield settings, redis
    except DatabaseTaken as error:
        _fail(error)
    except RedisError:
        _fail(QueueUnavailable(f"Redis does not answer at {_address(settings)}; start it, or set RHIZOME_REDIS_URL"))
    except RhizomeError as error:
        _fail(error)


def _resume(settings: Settings, redis: Redis, *, as_json: bool, allow_new_schema: bool) -> bool:
    """Finds a champion; False if there is none, or another schema is to take its place."""
    registry = Registry(redis, settings.model_name)
    pointer = adopt(settings, registry)
    if pointer is None:
        return False
    champion = registry.manifest(pointer.version)
    if allow_new_schema and compare(settings, champion).is_training_due:
        return False
    detail = resume(settings, redis, champion)
    known = {"model": settings.model_name, "version": pointer.version}
    logger.info("champion_present", extra=known | ({"detail": detail} if detail else {}))
    _print_pointer(settings, pointer, as_json)
    return True


def _print_pointer(settings: Settings, pointer: Pointer, as_json: bool) -> None:
    """The champion, as the service answers a promotion over HTTP."""
    if as_json:
        _print(
            {
                "model": settings.model_name,
                "version": pointer.version,
                "previous": pointer.previous or None,
                "promoted_at": pointer.promoted_at,
            }
        )


def _print(document: dict[str, object]) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(document)))


def _fail(error: RhizomeError) -> None:
    logger.error("command_failed", extra={"code": error.code, "detail": str(error)})
    sys.exit(EXIT_REFUSED if error.code == "promotion_refused" else EXIT_ERROR)


def _address(settings: Settings) -> str:
    url = urlsplit(settings.redis_url)  # without user and password
    return f"{url.hostname}:{url.port or 6379}"


def _claim(redis: Redis, reason: str) -> str:
    """Waits until no other run is queued or running: two at once would judge against the same champion."""
    is_told = False
    while True:
        run_id, created = claim_run(redis, reason, datetime.now(UTC))
        if created:
            return run_id
        if not is_told:
            logger.info("waiting_for_another_run", extra={"run_id": run_id})
            is_told = True
        time.sleep(_POLL_SECONDS)


def _announce(settings: Settings) -> Announce:
    from rhizome.celery_app import build_celery  # noqa: PLC0415 - only a promotion pays for Celery

    return broadcast_through(build_celery("trainer", settings, queues=(keys.TRAINING_QUEUE,), include=()))


def _promoter(settings: Settings, redis: Redis) -> Promoter:
    store = VersionStore(settings.models_dir, settings.model_name)
    return Promoter(Registry(redis, settings.model_name), store, _announce(settings))


if __name__ == "__main__":
    main()
