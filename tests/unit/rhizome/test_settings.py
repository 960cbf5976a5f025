"""Settings: read once, every bad value named, no value of a secret ever shown."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from rhizome.errors import SettingsError
from rhizome.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RHIZOME_")]:
        monkeypatch.delenv(name)


def test_without_an_environment_the_documented_defaults_hold() -> None:
    settings = load_settings()

    assert settings.redis_url == "redis://127.0.0.1:6379/0"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.model_name, settings.models_dir, settings.target) == ("iris", Path("models"), "species")
    assert (settings.seed, settings.redis_fsync) == (42, "always")
    assert settings.admin_key is None
    assert settings.signing_key is None
    assert settings.signing_key_bytes is None


def test_an_environment_variable_overrides_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHIZOME_PORT", "8080")
    monkeypatch.setenv("RHIZOME_MODEL_NAME", "wine")

    settings = load_settings()

    assert (settings.port, settings.model_name) == (8080, "wine")


def test_every_bad_value_is_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {
        "RHIZOME_PORT": "70000",
        "RHIZOME_REDIS_URL": "amqp://localhost",
        "RHIZOME_RETRAIN_CRON": "daily",
        "RHIZOME_LINGER_SECONDS": "-1",
        "RHIZOME_LOG_LEVEL": "LOUD",
        "RHIZOME_MAX_DELIVERIES": "many",
        "RHIZOME_ESTIMATOR": "no-colon",
    }
    for name, value in bad.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as refusal:
        load_settings()

    message = str(refusal.value)
    assert [name for name in bad if f"{name}: " not in message] == []
    assert len(message.splitlines()) == 1 + len(bad)
    assert refusal.value.code == "bad_settings"


def test_a_bad_value_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHIZOME_REDIS_URL", "http://user:hunter2@redis/0")

    with pytest.raises(SettingsError) as refusal:
        load_settings()

    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None


def test_secrets_are_not_shown_by_printing_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHIZOME_ADMIN_KEY", "hunter2")
    monkeypatch.setenv("RHIZOME_SIGNING_KEY", "swordfish")

    settings = load_settings()

    assert "hunter2" not in repr(settings) + str(settings)
    assert "swordfish" not in repr(settings) + str(settings)
    assert settings.signing_key_bytes == b"swordfish"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHIZOME_ADMIN_KEY", "")
    monkeypatch.setenv("RHIZOME_PORT", "")

    settings = load_settings()

    assert settings.admin_key is None
    assert settings.port == 8000


def test_settings_cannot_be_changed() -> None:
    settings = Settings()

    with pytest.raises(ValidationError):
        settings.port = 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "0"),
        ("port", "65536"),
        ("port", "eighty"),
        ("gateway_threads", "1"),
        ("max_waiters", "-1"),
        ("lease_seconds", "0"),
        ("linger_seconds", "0"),
        ("max_deliveries", "1"),
        ("micro_batch_rows", "0"),
        ("run_seconds", "0"),
        ("result_ttl_seconds", "0"),
        ("redis_fsync", "sometimes"),
        ("redis_url", "127.0.0.1:6379"),
        ("blob_url", "s3://bucket"),
        ("blob_url", "s3://bucket/"),
        ("redis_url", "unix:///tmp/redis"),
        ("model_name", "Iris"),
        ("model_name", "../iris"),
        ("model_name", "i" * 64),
        ("estimator", "trainer.estimators"),
        ("seed", "-1"),
        ("retrain_cron", "0 3 * *"),
        ("retrain_cron", "0 3 * * * *"),
        ("keep_versions", "1"),
        ("range_margin", "-0.1"),
        ("gate_alpha", "1"),
        ("gate_max_accuracy_drop", "1.5"),
        ("log_level", "info"),
        ("webhook_secret", "hunter2"),
        ("webhook_secret", "whsec_aHVudGVyMg=="),
        ("webhook_allow_private", "10.0.0.1/8"),
        ("webhook_timeout_seconds", "0"),
        ("webhook_timeout_seconds", "61"),
        ("webhook_max_age_seconds", "0"),
        ("webhook_max_pending", "0"),
        ("webhook_concurrency", "257"),
    ],
)
def test_an_unusable_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"RHIZOME_{name.upper()}", value)

    with pytest.raises(SettingsError, match=f"RHIZOME_{name.upper()}: "):
        load_settings()


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"RUN_SECONDS": "120"}, ["RHIZOME_RUN_SECONDS", "RHIZOME_SCORE_TIME_LIMIT_SECONDS"]),
    ],
)
def test_settings_that_contradict_each_other_are_refused_by_their_names(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], names: list[str]
) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"RHIZOME_{name}", value)

    with pytest.raises(SettingsError) as refusal:
        load_settings()

    assert [name for name in names if name not in str(refusal.value)] == []


@pytest.mark.parametrize("cron", ["off", "0 3 * * *", "*/5 * * * 1-5"])
def test_a_schedule_is_five_fields_or_off(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    monkeypatch.setenv("RHIZOME_RETRAIN_CRON", cron)

    assert load_settings().retrain_cron == cron


def test_each_lane_has_its_own_bound() -> None:
    settings = Settings(max_waiting_interactive=7, max_waiting_batch=3)

    assert settings.max_waiting == {"interactive": 7, "batch": 3}


def test_a_misspelt_setting_is_refused_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHIZOME_WORKER_PROCESES", "2")

    with pytest.raises(SettingsError, match="did you mean RHIZOME_WORKER_PROCESSES"):
        load_settings()


@pytest.mark.parametrize("name", ["TAG", "DATA", "BIND", "DOCKER", "GATEWAY_MEMORY", "TRAINER_MEMORY", "REDIS_MEMORY"])
def test_variables_of_the_compose_file_are_let_pass(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"RHIZOME_{name}", "x")

    load_settings()


@pytest.mark.parametrize("cron", ["61 3 * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 7", "0-60 * * * *"])
def test_a_cron_field_out_of_range_is_refused_at_start(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    monkeypatch.setenv("RHIZOME_RETRAIN_CRON", cron)

    with pytest.raises(SettingsError, match="RHIZOME_RETRAIN_CRON"):
        load_settings()


@pytest.mark.parametrize("cron", ["*/5 * * * *", "0 3 * * 1-5", "0,30 */12 1,15 jan-jun *", "off"])
def test_usual_cron_expressions_are_accepted(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    monkeypatch.setenv("RHIZOME_RETRAIN_CRON", cron)

    assert load_settings().retrain_cron == cron


def test_without_a_secret_no_key_signs_webhooks() -> None:
    assert load_settings().webhook_keys == ()
    assert load_settings().webhook_allowances == (False, (), frozenset())


def test_webhook_settings_are_read_as_what_they_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RHIZOME_WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    monkeypatch.setenv("RHIZOME_WEBHOOK_ALLOW_PRIVATE", "10.0.0.0/8, receiver.internal")

    settings = load_settings()

    assert [len(key) for key in settings.webhook_keys] == [24]
    assert settings.webhook_allowances.hosts == {"receiver.internal"}
    assert "MfKQ9r8G" not in repr(settings) + str(settings)


@pytest.mark.parametrize(("waiters", "threads", "asleep"), [(1024, 96, 64), (10, 96, 10), (1024, 2, 1), (0, 96, 0)])
def test_some_threads_never_sleep_on_jobs(waiters: int, threads: int, asleep: int) -> None:
    settings = Settings(max_waiters=waiters, gateway_threads=threads)

    assert settings.max_waiting_threads == asleep
