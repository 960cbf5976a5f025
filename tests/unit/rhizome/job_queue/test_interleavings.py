"""Whatever order scorers claim, finish, die and take over in: each batch ends with every chunk answered once."""

from contextlib import suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from rhizome import keys
from rhizome.errors import JobFinished
from rhizome.job_queue.entries import Claimed
from rhizome.jobs import Lane, State
from tests.support.queue import Queue, succeed

SCORERS = st.sampled_from(["one", "two", "three"])
STREAM = keys.lane(Lane.BATCH)


class Interleavings(RuleBasedStateMachine):
    """Three scorers and a few jobs; a lease of no time, so that whatever is held may be taken over at any moment."""

    redis: Redis

    @initialize()
    def begin(self) -> None:
        self.redis.flushdb()
        self.queue = Queue(self.redis, lease_seconds=0.0001)
        self.scorers = {name: self.queue.batch_scorer(name) for name in ("one", "two", "three")}
        self.held: dict[str, list[Claimed]] = {name: [] for name in self.scorers}
        self.finished: list[Claimed] = []
        self.jobs: dict[str, int] = {}
        self.cancelled: set[str] = set()

    @rule(chunks=st.integers(1, 12))
    def submit(self, chunks: int) -> None:
        self.jobs[self.queue.submit_batch(*[1] * chunks)] = chunks

    @rule(name=SCORERS)
    def claim(self, name: str) -> None:
        self.held[name] += self.scorers[name].claim()

    @rule(name=SCORERS, claim_next=st.booleans())
    def finish(self, name: str, claim_next: bool) -> None:
        done, self.held[name] = self.held[name], []
        self.finished += done
        finished = [succeed(entry, b"[%d]" % entry.request.chunk) for entry in done]
        self.held[name] += self.scorers[name].finish(finished, claim_next=claim_next)

    @rule(name=SCORERS)
    def die(self, name: str) -> None:
        self.held[name] = []

    @rule(name=SCORERS)
    def take_over(self, name: str) -> None:
        self.held[name] += self.scorers[name].reclaim()

    @rule(at=st.integers(0, 99), name=SCORERS)
    def finish_once_more(self, at: int, name: str) -> None:
        if not self.finished:  # no precondition: what is taken over is a matter of time, and so is this
            return
        entry = self.finished[at % len(self.finished)]
        self.scorers[name].finish([succeed(entry, b"[-1]")], claim_next=False)

    @rule(at=st.integers(0, 99))
    def cancel(self, at: int) -> None:
        if not self.jobs:
            return
        job_id = list(self.jobs)[at % len(self.jobs)]
        with suppress(JobFinished):
            self.queue.submissions.cancel(job_id)
        if self.queue.read(job_id).state is State.CANCELLED:
            self.cancelled.add(job_id)

    @invariant()
    def the_count_is_that_of_the_lists(self) -> None:
        lists = [self.redis.llen(key) for key in self.redis.scan_iter(keys.rest("*"))]
        assert int(self.redis.get(keys.REST_COUNT) or 0) == sum(lists)

    @invariant()
    def what_is_known_by_name_is_in_the_stream(self) -> None:
        in_stream = {entry for entry, _ in self.redis.xrange(STREAM)}
        for key in self.redis.scan_iter(keys.open_entries("*")):
            assert self.redis.smembers(key) <= in_stream

    def teardown(self) -> None:
        if not hasattr(self, "queue"):
            return
        scorer = self.queue.batch_scorer("last")
        while self.redis.xlen(STREAM):
            claimed = scorer.claim() or scorer.reclaim()
            scorer.finish([succeed(entry, b"[%d]" % entry.request.chunk) for entry in claimed], claim_next=False)
        for job_id, chunks in self.jobs.items():
            job = self.queue.read(job_id)
            assert job.state is (State.CANCELLED if job_id in self.cancelled else State.SUCCEEDED)
            if job_id not in self.cancelled:
                answers = self.queue.submissions.read_chunks(job_id, range(chunks))
                assert answers == [b"[%d]" % chunk for chunk in range(chunks)]
                assert job.facts["done"] == b"%d" % chunks
        assert tuple(self.queue.submissions.depths()[Lane.BATCH]) == (0, 0, None)
        assert self.redis.xlen(STREAM) == 0
        assert list(self.redis.scan_iter(keys.rest("*"))) + list(self.redis.scan_iter(keys.open_entries("*"))) == []


def test_every_interleaving_answers_every_chunk_once(redis: Redis) -> None:
    machine = type("OnThisRedis", (Interleavings,), {"redis": redis})
    bounds = settings(
        max_examples=40,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )

    run_state_machine_as_test(machine, settings=bounds)
