"""A scorer's turns: whose entry comes next, and what comes while it lingers."""

from collections.abc import Callable

from rhizome.inference import Calls
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import State
from tests.support.estimators import watched
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


def test_an_interactive_job_goes_between_two_slices_of_a_chunk(bench: Bench) -> None:
    singles: list[str] = []

    def look(_: object) -> None:
        if not singles:
            singles.append(bench.submit())

    bench.serve_unsaved(watched(lambda _: None))
    assert bench.shelf.champion is not None
    bench.shelf.champion.calls = Calls(watched(look))
    bench.learn_cost(milliseconds_per_row=5.0)
    batch = bench.submit_batch(4)

    run_to_its_end(bench)

    assert bench.scoring.finished == [singles[0], batch]


def test_an_interactive_job_goes_between_two_chunks_that_were_taken_together(bench: Bench) -> None:
    singles: list[str] = []

    def look(_: object) -> None:
        if not singles:
            singles.append(bench.submit())

    bench.serve_unsaved(watched(lambda _: None))
    assert bench.shelf.champion is not None
    bench.shelf.champion.calls = Calls(watched(look))
    batches: list[str] = []
    when_it_listens(bench, lambda: batches.append(bench.submit_batch(1, 1, 1)))

    run_to_its_end(bench)

    assert bench.scoring.finished == [batches[0], singles[0], batches[0], batches[0]]


def test_chunks_and_single_jobs_that_come_together_are_answered_singles_first(bench: Bench) -> None:
    submitted: list[str] = []

    def submit_both() -> None:
        submitted.append(bench.submit_batch(1))
        submitted.append(bench.submit())

    when_it_listens(bench, submit_both)

    run_to_its_end(bench)

    assert bench.scoring.finished == [submitted[1], submitted[0]]


def test_under_endless_interactive_load_a_chunk_still_comes_to_its_end(bench: Bench) -> None:
    bench.learn_cost(milliseconds_per_row=100.0)
    batch = bench.submit_batch(10)
    claim = bench.claims.claim

    def submit_and_claim(*, only_interactive: bool = False) -> list[Claimed]:
        if only_interactive:
            bench.submit()  # there is always one more
        return claim(only_interactive=only_interactive)

    bench.claims.claim = submit_and_claim  # type: ignore[method-assign]

    run_to_its_end(bench)

    assert state_of(bench, batch) is State.SUCCEEDED
