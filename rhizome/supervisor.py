"""`rhizome up`: the whole service on one machine, without containers.

Starts Redis (unless one is given), trains a first version where there is none, starts beat, trainer, workers, deliverer
and gateway, waits until the service is ready, revives what falls, and stops all in order.
"""

import fcntl
import http.client
import json
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby

from redis.exceptions import RedisError

from rhizome.children import Child
from rhizome.connection import await_redis, connect
from rhizome.embedded_redis import CONFIG_FILE, choose_folder, find_binary, find_free_port, write_config
from rhizome.errors import StartupError
from rhizome.lineage import compare
from rhizome.preflight import check_machine
from rhizome.resumption import find_champion, resume
from rhizome.runfile import Run, remove_run, write_run
from rhizome.settings import Settings, name_training
from rhizome.webhooks.signing import make_secret

READY_SECONDS = 60.0
REDIS_READY_SECONDS = 30.0  #: a large append-only file takes its time
LOOK_SECONDS = 0.05
STOP_SECONDS = 15.0
#: Which step of a stop: nothing new first; then what makes work and what does it; then what tells of it; Redis last.
STOP_STEPS = {
    "gateway": 1,
    "beat": 2,
    "training": 2,
    "trainer": 2,
    "worker": 2,
    "batches": 2,
    "webhooks": 3,
    "redis": 4,
}
BACKGROUND_NICENESS = 10  #: of all but serving: a tenth of its weight where they compete
ADMIN_KEY_FILE = "admin_key"
WEBHOOK_SECRET_FILE = "webhook_secret"  # noqa: S105 - a name
_SAMPLE_ARGUMENT = '-H "Content-Type: application/json"'

log = logging.getLogger(__name__)


class Supervisor:
    """Runs one service; `run` returns when it has been stopped.

    Args:
        settings: this deployment's.
        is_redis_given: False where the Redis URL is only the default, and a server is to be embedded.
        allow_new_schema: another schema than the champion's takes its place, after a training that its gate lets pass.
    """

    def __init__(self, settings: Settings, *, is_redis_given: bool, allow_new_schema: bool = False) -> None:
        self._settings = settings
        self._is_redis_given = is_redis_given
        self._allow_new_schema = allow_new_schema
        self._var = settings.var_dir.resolve()
        self._log_dir = self._var / "log"
        self._children: list[Child] = []
        self._stop_signals = 0

    def run(self) -> None:
        """Starts, watches, stops.

        Raises:
            StartupError: with one line that says what is wrong and what to do.
        """
        check_machine(self._settings, (self._var, self._log_dir, self._settings.models_dir))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._note_signal)
        begun = time.monotonic()
        with self._only_one():
            try:
                self._start()
                if not self._stop_signals:
                    _say(self._banner(time.monotonic() - begun))
                self._watch()
            finally:
                self._stop()

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Two services in one folder would share one append-only file."""
        with (self._var / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StartupError(
                    f"another service already runs in {self._var}; stop it, or set RHIZOME_VAR_DIR"
                ) from None
            yield

    def _note_signal(self, *_: object) -> None:
        self._stop_signals += 1

    def _start(self) -> None:
        redis_url = self._start_redis()
        environment = self._environment(redis_url)
        write_run(self._var, self._describe_run(redis_url))
        self._settle_champion(redis_url, environment)
        if self._stop_signals:
            return
        for name, arguments, niceness in (
            ("beat", ("trainer", "beat"), BACKGROUND_NICENESS),
            ("trainer", ("trainer", "serve"), BACKGROUND_NICENESS),
            ("worker", ("worker",), 0),
            ("batches", ("worker", "batches"), BACKGROUND_NICENESS),
            ("webhooks", ("worker", "webhooks"), BACKGROUND_NICENESS),
            ("gateway", ("gateway",), 0),
        ):
            self._spawn(name, (sys.executable, "-m", *arguments), environment, niceness)
        self._await_ready()

    def _spawn(self, name: str, command: tuple[str, ...], environment: dict[str, str], niceness: int = 0) -> Child:
        child = Child(name, command, environment, self._log_dir, STOP_SECONDS, niceness)
        child.start()
        self._children.append(child)
        return child

    def _start_redis(self) -> str:
        if self._is_redis_given:
            url = self._settings.redis_url
            if not await_redis(url, seconds=5.0):
                raise StartupError("Redis does not answer at RHIZOME_REDIS_URL; start it, or unset the variable")
            return url
        settings = self._settings
        folder = choose_folder(self._var, settings.model_name, settings.models_dir)
        url = write_config(folder, find_free_port(), fsync=settings.redis_fsync, maxmemory=settings.redis_maxmemory)
        child = self._spawn("redis", (str(find_binary()), str(folder / CONFIG_FILE)), dict(os.environ))
        if not await_redis(url, seconds=REDIS_READY_SECONDS):
            raise StartupError(f"the embedded Redis server did not start; see {folder / 'valkey.log'}\n{child.tail()}")
        return url

    def _environment(self, redis_url: str) -> dict[str, str]:
        # glibc gives each thread a heap of its own, which grows and is never given back: two are enough.
        environment = {"MALLOC_ARENA_MAX": "2"} | dict(os.environ)
        environment["RHIZOME_REDIS_URL"] = redis_url
        if self._settings.admin_key is None:
            environment["RHIZOME_ADMIN_KEY"] = self._load_secret(ADMIN_KEY_FILE, lambda: secrets.token_urlsafe(24))
        if self._settings.webhook_secret is None:
            environment["RHIZOME_WEBHOOK_SECRET"] = self._load_secret(WEBHOOK_SECRET_FILE, make_secret)
        return environment

    def _describe_run(self, redis_url: str) -> Run:
        settings = self._settings
        return Run(
            os.getpid(), redis_url, self._gateway_url(), name_training(settings), settings.signing_key is not None
        )

    def _load_secret(self, name: str, make: Callable[[], str]) -> str:
        """A secret of this folder's, made at the first start."""
        path = self._var / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(make())
        return path.read_text().strip()

    def _settle_champion(self, redis_url: str, environment: dict[str, str]) -> None:
        """Finds the version that will serve, or has one trained; says what these settings would do otherwise."""
        redis = connect(redis_url, model_name=self._settings.model_name)
        try:
            champion = find_champion(self._settings, redis)
            if champion is None:
                _say("no version yet: looking for one on disk, or training a first one …")
                self._train(environment, "first start")
            elif self._allow_new_schema and compare(self._settings, champion).is_training_due:
                _say(f"training a version that may have another schema, to take the place of {champion.version} …")
                self._train(environment, "start with --allow-new-schema")
            if not self._stop_signals and (champion := find_champion(self._settings, redis)):
                _say(resume(self._settings, redis, champion) or f"model '{champion.name}', version {champion.version}")
        except RedisError as error:
            raise StartupError(str(error)) from None
        finally:
            redis.close()

    def _train(self, environment: dict[str, str], reason: str) -> None:
        """Waits until a process of its own has found a champion among the versions on disk, or trained one."""
        options = ["--if-missing", "--reason", reason, *(["--allow-new-schema"] if self._allow_new_schema else [])]
        child = self._spawn("training", (sys.executable, "-m", "trainer", "train", *options), environment)
        deadline = time.monotonic() + self._settings.training_time_limit_seconds
        while child.pid is not None and not self._stop_signals:
            if time.monotonic() > deadline:
                raise StartupError("the training took longer than RHIZOME_TRAINING_TIME_LIMIT_SECONDS")
            time.sleep(LOOK_SECONDS)
        if self._stop_signals:
            return
        self._children.remove(child)
        if child.status:
            raise StartupError(f"there is no version to serve: {_last_detail(child)}")

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if self._stop_signals:
                return
            for child in self._children:
                if child.pid is None:
                    raise StartupError(f"the {child.name} process ended at its start:\n{child.tail()}")
            if time.monotonic() > deadline:
                raise StartupError(f"not ready after {READY_SECONDS:g} s; see the logs in {self._log_dir}")
            time.sleep(LOOK_SECONDS)

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(_reachable(self._settings.host), self._settings.port, timeout=2)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

    def _watch(self) -> None:
        while not self._stop_signals:
            for child in self._children:
                child.revive()
            time.sleep(4 * LOOK_SECONDS)

    def _stop(self) -> None:
        """One step of `STOP_STEPS` after the other; the processes of a step take their time together."""
        if self._children:
            _say("stopping …")
        self._children.sort(key=_stop_step)
        for _, step in groupby(self._children, key=_stop_step):
            children = list(step)
            for child in children:
                child.ask_to_stop()
            for child in children:
                child.await_end()
        remove_run(self._var)

    def _gateway_url(self) -> str:
        return f"http://{_reachable(self._settings.host)}:{self._settings.port}"

    def _banner(self, seconds: float) -> str:
        url = self._gateway_url()
        lines = [
            f"Rhizome is ready after {seconds:.1f} s",
            f"  predictions  {url}/predict",
            f"  interface    {url}/docs",
            f"  health       {url}/health",
            f"  logs         {self._log_dir}/*.jsonl",
        ]
        if self._settings.admin_key is None:
            lines.append(f"  admin key    {self._var / ADMIN_KEY_FILE}")
        if self._settings.webhook_secret is None:
            lines.append(f"  webhooks     signed with {self._var / WEBHOOK_SECRET_FILE}")
        sample = self._sample(url)
        if sample:
            lines += ["", "Try it:", f"  curl -s '{url}/predict?wait=5' {_SAMPLE_ARGUMENT} -d '{sample}'"]
        return "\n".join([*lines, "", "Ctrl-C stops everything."])

    def _sample(self, url: str) -> str:
        """The live model's example, from its own documentation."""
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=2)
        with suppress(OSError, http.client.HTTPException, ValueError, KeyError):
            connection.request("GET", "/openapi.json")
            document = json.loads(connection.getresponse().read())
            content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
            return json.dumps(content["example"])
        return ""


def _stop_step(child: Child) -> int:
    return STOP_STEPS[child.name]


def _last_detail(child: Child) -> str:
    """What the last JSON line that explains something says, and where there is more."""
    log_lines = child.tail()
    for line in reversed(log_lines.splitlines()):
        with suppress(ValueError, TypeError, KeyError):
            event = json.loads(line)
            return f"{event['detail']}{f'; {child.log_path} has the trace' if 'exc_info' in event else ''}"
    return log_lines


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared, not bound
