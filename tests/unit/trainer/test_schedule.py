"""The schedule: what beat sends, and which cron expressions are refused."""

import re

import pytest

from rhizome import keys
from rhizome.errors import SettingsError
from rhizome.settings import Settings
from trainer.schedule import build_schedule, current_slot, parse_cron


def test_retraining_follows_the_cron_setting() -> None:
    schedule = build_schedule(Settings(retrain_cron="15 4 * * 1"))
    retrain = schedule["retrain"]
    assert str(retrain["schedule"]) == "<crontab: 15 4 * * 1 (m/h/dM/MY/d)>"
    assert retrain["options"] == {"queue": keys.TRAINING_QUEUE}
    assert re.fullmatch(r"\d{8}T\d{4}Z", retrain["args"][0]())


def test_off_switches_retraining_off() -> None:
    assert set(build_schedule(Settings(retrain_cron="off"))) == {"sweep"}


def test_a_sweep_expires_before_the_next_is_due() -> None:
    sweep = build_schedule(Settings())["sweep"]
    assert (sweep["schedule"], sweep["options"]) == (30.0, {"queue": keys.UPKEEP_QUEUE, "expires": 30.0})


@pytest.mark.parametrize("text", ["61 3 * * *", "* * * * monday-ish", "x * * * *", "* * 0 * *", "*/0 * * * *"])
def test_a_bad_cron_expression_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match="RHIZOME_RETRAIN_CRON"):
        parse_cron(text)


def test_a_slot_is_a_minute_in_utc() -> None:
    assert re.fullmatch(r"\d{8}T\d{4}Z", current_slot())
