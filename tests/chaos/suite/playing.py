"""Which phases are played on which stage, in which order; and the run of all."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.suite import bombs, calm, changes, floods, hosts, kills, network, poison, stops
from tests.chaos.suite.disks import FREE_MB, blobs_phase, small_disk, var_phase
from tests.chaos.suite.memory import Growth
from tests.chaos.suite.phase import Phase, PhaseReport
from tests.chaos.suite.stage import Stage
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


Say = Callable[[str], None]


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


def play(plan: Play, say: Say) -> int:
    """Plays everything, says how it goes and the table at its end, and returns the number of faults."""
    reports: list[PhaseReport] = []
    growths: list[tuple[str, Growth]] = []
    try:
        with closing(_stages(plan, say)) as stages:
            for stage, phases in stages:
                played = [_play_phase(stage, phase, reports, say) for phase in phases]
                for report in played:
                    report.ledger.recheck(stage.url)
                growths += [(stage.name, growth) for growth in stage.growths()]
    finally:
        say(format_run(reports, growths))
    return count_faults(reports)


def _play_phase(stage: Stage, phase: Phase, reports: list[PhaseReport], say: Say) -> PhaseReport:
    report = stage.run(phase)
    reports.append(report)
    say(show_report(report))
    return report


def _stages(plan: Play, say: Say) -> Generator[tuple[Stage, list[Phase]]]:
    """Each stage while it runs, and what is played on it."""
    with ExitStack() as clean_up:
        if phases := plan.choose(*(SHORT if plan.is_short else LONG)):
            yield clean_up.enter_context(plan.stage("up").running()), phases
    if plan.is_short:
        return
    yield from _on_disks(plan, say)
    with ExitStack() as clean_up:
        proxy, url = clean_up.enter_context(network.proxied_redis(plan.folder / "redis"))
        if phases := plan.choose(*network.build_phases(proxy)):
            yield clean_up.enter_context(plan.stage("network", redis_url=url).running()), phases
    with ExitStack() as clean_up:
        if phases := plan.choose(*poison.PHASES):
            yield clean_up.enter_context(plan.stage("poison", **poison.SETTINGS).running()), phases


def _on_disks(plan: Play, say: Say) -> Generator[tuple[Stage, list[Phase]]]:
    """Two stages on small disks; none where nobody may mount."""
    blobs, folder = plan.folder / "small", plan.folder / "disk"
    least = FREE_MB * 1_000_000
    for name, mount, phase, settings in (
        ("files", blobs, blobs_phase(blobs), {"blob_url": f"{blobs.as_uri()}/store", "blob_min_free_bytes": least}),
        ("disk", folder / "var", var_phase(folder / "var"), {"blob_min_free_bytes": 0}),
    ):
        with ExitStack() as clean_up:
            if not (phases := plan.choose(phase)):
                continue
            if clean_up.enter_context(small_disk(mount)):
                yield clean_up.enter_context(plan.stage(name, **settings).running()), phases
            else:
                say(f"{name}: {phase.name}: skipped: nobody but root may mount a small disk")
