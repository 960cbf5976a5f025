"""A scorer's turns: whose entry comes next, and what comes while it lingers."""

from collections.abc import Callable

from rhizome.job_queue.entries import Claimed
from rhizome.jobs import State
from tests.unit.worker.conftest import Bench, run_to_its_end, state_of

MARKER = -99.0


def when_it_listens(bench: Bench, act: Callable[[], object]) -> None:
    """Calls `act` the first time the scorer is about to block for new entries."""
    listen, pending = bench.claims.listen, [act]

    def act_and_listen() -> list[Claimed]:
        if pending:
            pending.pop()()
        return listen()

    bench.claims.listen = act_and_listen  # type: ignore[method-assign]


def test_what_comes_while_it_lingers_is_answered_without_a_bell(bench: Bench) -> None:
    ids: list[str] = []
    when_it_listens(bench, lambda: ids.append(bench.submit()))

    run_to_its_end(bench)

    assert [state_of(bench, job_id) for job_id in ids] == [State.SUCCEEDED]
    assert bench.queue.bells() == 0


def test_what_comes_at_the_last_moment_is_rung_for(bench: Bench) -> None:
    leave, ids = bench.claims.leave, []

    def submit_and_leave(*, ring: bool) -> None:
        bench.claims.leave = leave  # type: ignore[method-assign]
        ids.append(bench.submit())
        assert bench.queue.bells() == 0  # a listener is relied on
        leave(ring=ring)

    bench.claims.leave = submit_and_leave  # type: ignore[method-assign]

    run_to_its_end(bench)

    assert bench.queue.bells() == 1
    run_to_its_end(bench)
    assert state_of(bench, ids[0]) is State.SUCCEEDED


def test_small_batches_and_single_jobs_that_come_together_are_answered_singles_first(bench: Bench) -> None:
    submitted: list[str] = []

    def submit_both() -> None:
        submitted.append(bench.submit_small_batch(1))
        submitted.append(bench.submit())

    when_it_listens(bench, submit_both)

    run_to_its_end(bench)

    assert bench.scoring.finished == [submitted[1], submitted[0]]
