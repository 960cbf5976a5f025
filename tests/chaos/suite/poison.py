"""Rows that kill or hold up whoever scores them, in a batch, while single predictions go on."""

import time
from functools import partial
from typing import Any

from tests.chaos.suite.phase import Phase
from tests.chaos.suite.stage import Stage
from tests.chaos.suite.users import as_csv, as_samples
from tests.support.poisonous import DEADLY, ENDLESS, harmless

#: Of the service: a scorer that hangs is ended after the limit, and killed 10 s later.
SETTINGS = {
    "estimator": "tests.support.poisonous:build",
    "score_time_limit_seconds": 4,
    "run_seconds": 3,
    "lease_seconds": 2,
    "max_deliveries": 3,
}
ROWS = 2_000
SINGLE_SECONDS = 3.0
BESIDE_SECONDS = 15.0


def feed(stage: Stage, value: float, kind: str) -> None:
    """One such row in a batch and one in a file; for a while, singles must be answered all the same."""
    harmless.set()
    user = stage.user()
    with user.http:
        rows = user.rows(ROWS)
        rows[ROWS // 2, 3] = value
        stage.counts["bombs"] += 2
        terms: dict[str, Any] = {"poison": ROWS // 2}
        user.send(f"{kind} batch", "/predict/batch", rows, json={"instances": as_samples(rows)}, **terms)
        headers = {"Content-Type": "text/csv"}
        user.send(f"{kind} file", "/predict/batch", rows, content=as_csv(rows), headers=headers, **terms)
    until = time.monotonic() + BESIDE_SECONDS
    worst = 0.0
    while time.monotonic() < until:
        begun = time.monotonic()
        assert stage.is_answered(), f"no single prediction beside a {kind} row"
        worst = max(worst, time.monotonic() - begun)
        time.sleep(0.1)
    stage.recover(f"slowest single {worst:.2f} s; after it", SINGLE_SECONDS)


PHASES = (
    Phase("a deadly row in batches", partial(feed, value=DEADLY, kind="deadly")),
    Phase("an endless row in batches", partial(feed, value=ENDLESS, kind="endless")),
)
