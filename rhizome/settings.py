"""Every setting of every process, read from `RHIZOME_*` environment variables and checked once, at start.

One class for all processes, so that one environment describes one deployment and a bad value is refused wherever it
is seen first. Only process entries call `load_settings`; everything else receives a `Settings`.
"""

import math
import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rhizome.errors import SettingsError
from rhizome.webhooks.addresses import Allowances, parse_allowances
from rhizome.webhooks.signing import parse_secrets

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


_CRON_RANGES = (("minute", 0, 59), ("hour", 0, 23), ("day-of-month", 1, 31), ("month", 1, 12), ("day-of-week", 0, 6))
#: Variables of docker-compose.yml that are no settings.
_MEMORIES = {f"{name}_MEMORY" for name in ("GATEWAY", "REDIS", "TRAINER", "WORKER", "BATCHES")}
_COMPOSE = {"BIND", "DATA", "TAG", "REDIS_DATABASE"} | _MEMORIES
#: What a training run, a promotion or a rollback goes by.
_TRAINING = (
    "model_name",
    "target",
    "estimator",
    "seed",
    "training_time_limit_seconds",
    "keep_versions",
    "range_margin",
    "gate_max_accuracy_drop",
    "gate_alpha",
)
#: So alike are a misspelt name and the setting that was meant (difflib's ratio).
_MISSPELT = 0.75


def _half_the_cores() -> int:
    """Two at least: one that hangs never takes all."""
    return max(2, (os.cpu_count() or 2) // 2)


class Settings(BaseSettings):
    """One deployment's settings; each is the environment variable `RHIZOME_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="RHIZOME_", frozen=True, extra="ignore", env_ignore_empty=True)

    # Redis
    redis_url: str = "redis://127.0.0.1:6379/0"
    redis_fsync: Literal["always", "everysec", "no"] = "always"  #: of the embedded server only
    redis_maxmemory: Annotated[str, Field(pattern=r"^\d+(kb|mb|gb)$")] = "1gb"  #: likewise

    # Gateway
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    gateway_processes: Count = Field(default_factory=lambda: min(2, os.cpu_count() or 1))
    gateway_threads: Annotated[int, Field(ge=2, le=512)] = 96  #: per process; see `max_waiting_threads`
    max_waiters: Annotated[int, Field(ge=0)] = 1024  #: per process; further waits degrade to a 202
    max_wait_seconds: Seconds = 60.0
    max_body_bytes: Count = 8 * 1024 * 1024
    max_batch_rows: Count = 10_000
    #: That JSON bodies may take while they are decoded, per process: some take thirty times their size.
    json_memory_bytes: Annotated[int, Field(ge=16 * 1024**2)] = 96 * 1024**2
    admin_key: SecretStr | None = None  #: without one the admin calls are switched off

    # Queue
    result_ttl_seconds: Count = 3600
    max_waiting_interactive: Count = 1_000_000  #: jobs; beyond it a submit is refused with 429
    max_waiting_batch: Count = 100_000  #: chunks
    lease_seconds: Seconds = 10.0  #: an unfinished job of a silent scorer is taken over after this
    max_deliveries: Annotated[int, Field(ge=2)] = 5  #: then the job is failed and dead-lettered

    # Worker
    worker_processes: Count = Field(default_factory=_half_the_cores)  #: of the interactive lane
    batch_processes: Count = Field(default_factory=_half_the_cores)  #: of the batch lane: files, large batches, exports
    #: What a process of the batch lane may take beyond what it holds when it is ready; then a chunk fails.
    batch_memory_bytes: Annotated[int, Field(ge=64 * 1024**2)] = 1024**3
    micro_batch_rows: Count = 256  #: single jobs scored by one call
    chunk_rows: Count = 1_000  #: rows of a batch job in one stream entry
    #: How long a dry scorer listens before it returns: for ever, since waking another through Celery takes as long as
    #: several jobs.
    linger_seconds: Annotated[float, Field(gt=0)] = math.inf
    run_seconds: Seconds = 20.0  #: a scorer returns after this in any case, and rings for its successor
    #: A run that exceeds it is ended, and killed 10 s later; a call of the estimator is ended sooner, by what it costs.
    score_time_limit_seconds: Seconds = 120.0
    load_time_limit_seconds: Seconds = (
        60.0  #: a process that loads a version for longer is killed, and votes against it
    )

    # Webhooks
    webhook_secret: SecretStr | None = None  #: signs messages; without one webhooks are switched off
    webhook_allow_private: str = "false"  #: `true`, or addresses, CIDR networks and host names with commas
    webhook_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0  #: of one attempt
    webhook_max_age_seconds: Count = 86_400  #: then an event that could not be delivered is given up
    #: Events that have happened and are not settled; with as many, a submit with a webhook is refused with 429. What
    #: accepted jobs have yet to tell, and what is asked for again, comes on top: see `Ledger.check_room`.
    webhook_max_pending: Count = 100_000
    webhook_concurrency: Annotated[int, Field(ge=1, le=256)] = 16  #: attempts at once

    # Model and training
    model_name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = "iris"
    models_dir: Path = Path("models")
    dataset: Path = Path("data/iris.csv")
    target: str = "species"
    estimator: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] = "trainer.estimators:logistic_regression"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    retrain_cron: str = "0 3 * * *"  #: five cron fields, UTC; `off` switches it off
    training_time_limit_seconds: Annotated[int, Field(ge=10)] = 3600  #: then a run is given up
    keep_versions: Annotated[int, Field(ge=2)] = 20
    range_margin: Annotated[float, Field(ge=0)] = 3.0  #: accepted beyond the training range, in spans of it
    signing_key: SecretStr | None = None  #: signs manifests; workers then refuse unsigned ones
    gate_max_accuracy_drop: Annotated[float, Field(ge=0, le=1)] = 0.02
    gate_alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05  #: of the paired test against the champion

    # Files
    blob_url: str = ""  #: where uploads and their results are kept; `<var_dir>/blobs` if empty
    blob_endpoint: str = ""  #: of an S3-compatible server; empty for the provider's own
    max_upload_bytes: Count = 5 * 1024**3  #: of an uploaded file, after decompression
    #: With less left on the file system that holds the folder of uploads, nothing is written to it: further uploads are
    #: refused, and jobs of files wait; 0 for no bound.
    blob_min_free_bytes: Annotated[int, Field(ge=0)] = 1024**3
    max_file_rows: Count = 500_000_000  #: of an uploaded file: compressed, a billion rows may be a kilobyte
    max_failed_rows: Annotated[int, Field(ge=0)] = 100_000  #: of a file's job; with more it fails as a whole
    max_answer_bytes: Count = 64 * 1024**3  #: of a file's job; with more it fails, and its answers are removed
    file_chunk_bytes: Annotated[int, Field(ge=1024, le=64 * 1024**2)] = 512 * 1024  #: of a file in one stream entry

    # House
    var_dir: Path = Path("var")
    pulse_dir: Path | None = None  #: processes touch files here for `rhizome.probe`, a container's healthcheck
    code_revision: str = ""  #: recorded in manifests; asked of git if empty
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("retrain_cron")
    @classmethod
    def _check_cron(cls, value: str) -> str:
        fields = value.split()
        if value != "off" and len(fields) != len(_CRON_RANGES):
            raise ValueError("needs five fields (minute hour day-of-month month day-of-week), or 'off'")
        for text, (name, least, most) in zip(fields, _CRON_RANGES, strict=False):
            if any(not least <= int(number) <= most for number in re.findall(r"(?<!/)\b\d+", text)):
                raise ValueError(f"the {name} field holds a number outside {least} to {most}")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: str) -> str:
        if not value.startswith(("redis://", "rediss://")):
            raise ValueError("must start with redis:// or rediss://")
        return value

    @field_validator("blob_url")
    @classmethod
    def _check_blob_url(cls, value: str) -> str:
        if value and not re.fullmatch(r"file:///.+|[a-z0-9]+://[^/]+/+[^/].*", value):
            raise ValueError("must be file:///folder or s3://bucket/prefix, with a prefix of its own")
        return value

    @field_validator("webhook_allow_private")
    @classmethod
    def _check_webhook_allowances(cls, value: str) -> str:
        parse_allowances(value)
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _check_webhook_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_secrets(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _check_together(self) -> "Settings":
        if self.run_seconds >= self.score_time_limit_seconds:
            raise ValueError("RHIZOME_RUN_SECONDS must be below RHIZOME_SCORE_TIME_LIMIT_SECONDS")
        return self

    @property
    def run_limit_seconds(self) -> float:
        """How long a scorer's run may last whose last call takes all of its time."""
        return self.run_seconds + self.score_time_limit_seconds

    @property
    def max_waiting_threads(self) -> int:
        """How many of a gateway process's threads may sleep on jobs; the others keep everything else going."""
        return min(self.max_waiters, self.gateway_threads * 2 // 3)

    @property
    def signing_key_bytes(self) -> bytes | None:
        """The key of the manifests' HMAC, if there is one."""
        return self.signing_key.get_secret_value().encode() if self.signing_key else None

    @property
    def blob_location(self) -> str:
        """The URL of the store of files."""
        return self.blob_url or f"{self.var_dir.resolve().as_uri()}/blobs"

    @property
    def webhook_keys(self) -> tuple[bytes, ...]:
        """The keys that sign webhooks' messages; none where webhooks are switched off."""
        return parse_secrets(self.webhook_secret.get_secret_value()) if self.webhook_secret else ()

    @property
    def webhook_allowances(self) -> Allowances:
        """Receivers that are accepted although they are not public."""
        return parse_allowances(self.webhook_allow_private)

    @property
    def max_waiting(self) -> dict[str, int]:
        """The most entries that may wait, per lane."""
        return {"interactive": self.max_waiting_interactive, "batch": self.max_waiting_batch}


def name_training(settings: Settings) -> dict[str, str]:
    """Which model and how it is trained, by environment variable and without secrets; paths are absolute."""
    found = {f"RHIZOME_{name.upper()}": str(getattr(settings, name)) for name in _TRAINING}
    paths = {f"RHIZOME_{name.upper()}": str(getattr(settings, name).absolute()) for name in ("dataset", "models_dir")}
    return found | paths


def load_settings() -> Settings:
    """Reads the environment.

    Raises:
        SettingsError: naming every unusable variable, what is wrong with it, and never its value.
    """
    known = [name.upper() for name in Settings.model_fields]
    given = [name.removeprefix("RHIZOME_") for name in os.environ if name.startswith("RHIZOME_")]
    for name in sorted(set(given) - set(known) - _COMPOSE):
        if meant := get_close_matches(name, known, n=1, cutoff=_MISSPELT):
            raise SettingsError(f"RHIZOME_{name} is no setting; did you mean RHIZOME_{meant[0]}?")
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            ": ".join([*(f"RHIZOME_{str(part).upper()}" for part in problem["loc"][:1]), problem["msg"]])
            for problem in error.errors(include_input=False)
        ]
        raise SettingsError("unusable settings:\n  " + "\n  ".join(lines)) from None
