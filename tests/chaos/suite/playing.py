"""Which phases are played on which stage, in which order; and the run of all."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.suite import bombs, calm, changes, floods, hosts, kills, network, poison, stops
from tests.chaos.suite.disks import FREE_MB, blobs_phase, small_disk, var_phase
from tests.chaos.suite.memory import Growth
from tests.chaos.suite.stage import Phase, PhaseReport, Stage
from tests.chaos.suite.table import count_faults, format_run, show_report

#: The short form: what kills, hangs, changes and floods, once each.
SHORT = (
    *(kills.WORKERS, kills.WORKER_MAINS, kills.GATEWAY_CHILDREN, kills.REDIS),
    *(stops.CHILD, changes.PROMOTION, floods.HEALTH, *bombs.SHORT),
)
LONG = (
    *(*calm.PHASES, *kills.PHASES, *stops.PHASES, *changes.PHASES),
    *(*hosts.PHASES, *floods.PHASES, *bombs.PHASES),
)


class Play(NamedTuple):
    """What is to be played, and how."""

    folder: Path
    is_short: bool
    patience: float
    only: str = ""

    def stage(self, name: str, **settings: Any) -> Stage:
        return Stage(name, self.folder / name, is_short=self.is_short, patience=self.patience, **settings)

    def choose(self, *phases: Phase) -> list[Phase]:
        return [phase for phase in phases if self.only in phase.name]


def play(plan: Play, say: Callable[[str], None]) -> int:
    """Plays everything, says how it goes and the table at its end, and returns the number of faults."""
    reports: list[PhaseReport] = []
    growths: list[tuple[str, Growth]] = []
    for stage, phases in _stages(plan):
        for phase in phases:
            reports.append(stage.run(phase))
            say(show_report(reports[-1]))
        growths += [(stage.name, growth) for growth in stage.growths()]
    say(format_run(reports, growths))
    return count_faults(reports)


def _stages(plan: Play) -> Iterator[tuple[Stage, list[Phase]]]:
    """Each stage while it runs, and what is played on it."""
    with ExitStack() as clean_up:
        if phases := plan.choose(*(SHORT if plan.is_short else LONG)):
            yield clean_up.enter_context(plan.stage("up").running()), phases
    if plan.is_short:
        return
    yield from _on_disks(plan)
    with ExitStack() as clean_up:
        proxy, url = clean_up.enter_context(network.proxied_redis(plan.folder / "redis"))
        if phases := plan.choose(*network.build_phases(proxy)):
            yield clean_up.enter_context(plan.stage("network", redis_url=url).running()), phases
    with ExitStack() as clean_up:
        if phases := plan.choose(*poison.PHASES):
            yield clean_up.enter_context(plan.stage("poison", **poison.SETTINGS).running()), phases


def _on_disks(plan: Play) -> Iterator[tuple[Stage, list[Phase]]]:
    """Two stages on small disks; none where nobody may mount."""
    blobs, folder = plan.folder / "small", plan.folder / "disk"
    with ExitStack() as clean_up:
        phases = plan.choose(blobs_phase(blobs))
        if phases and clean_up.enter_context(small_disk(blobs)):
            settings = {"blob_url": blobs.as_uri() + "/store", "blob_min_free_bytes": FREE_MB * 1_000_000}
            yield clean_up.enter_context(plan.stage("files", **settings).running()), phases
    with ExitStack() as clean_up:
        phases = plan.choose(var_phase(folder / "var"))
        if phases and clean_up.enter_context(small_disk(folder / "var")):
            yield clean_up.enter_context(plan.stage("disk", blob_min_free_bytes=0).running()), phases
