"""From claimed entries to finished ones: which version scores which job, in how large a call, and what is written."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from rhizome.errors import RhizomeError
from rhizome.inference import find_call
from rhizome.job_queue.claiming import Claims
from rhizome.job_queue.entries import Claimed, Finished
from rhizome.jobs import Encoding, Returns, ScoreRequest, State
from worker.failures import BROKEN_PAYLOAD, UNSOUND, VERSION_UNAVAILABLE, fail_chunk, fail_single, give_up, quarantine
from worker.file_chunks import FileChunks, MissingFile, refuse_file
from worker.latencies import Latencies
from worker.micro_batch import (
    EstimatorUnsound,
    RowAnswer,
    RowFailure,
    UnreadablePayload,
    decode_rows,
    score_rows,
)
from worker.outcomes import SingleDocuments, answer_of, answers_of_arrays, encode_answers
from worker.quarantine import Suspects
from worker.shelf import LoadedVersion, Shelf, tell
from worker.slicing import measure, slice_rows

#: A micro-batch expected to take longer says so, and submits ring for another scorer: waking one takes as long.
BUSY_MS = 5.0

MOST_BOUND = 64  #: batch jobs whose versions are remembered

_FAILED = State.FAILED  # an enum's members are looked up anew each time: a quarter of a microsecond

log = logging.getLogger(__name__)


class GivenBack(RhizomeError):
    """The chunk cannot be scored here, and was let go of: another process may be able to."""

    code = "given_back"


class Scoring:
    """Scores with the versions of a shelf."""

    def __init__(self, shelf: Shelf, claims: Claims, latencies: Latencies, files: FileChunks) -> None:
        self._shelf = shelf
        self._claims = claims
        self._latencies = latencies
        self._files = files
        #: Of what was taken over: what it did to others.
        self._suspects: dict[bytes, Suspects] = {}
        #: Batch jobs of this run, and the versions that answer them.
        self._bound: dict[str, str] = {}

    def score_singles(self, claimed: Sequence[Claimed]) -> list[Finished]:
        """Scores single jobs, one call of the estimator per version, encoding and wanted part among them."""
        champion = self._shelf.champion  # read once: a micro-batch binds its version once
        by_version: defaultdict[str, list[Claimed]] = defaultdict(list)
        for entry in claimed:
            by_version[_version_for(entry.request, champion)].append(entry)
        finished: list[Finished] = []
        for name, entries in by_version.items():
            started_ms = time.time() * 1000
            version = self._find(name)
            if version is None:
                finished += self._refuse_singles(entries, VERSION_UNAVAILABLE, started_ms)
                continue
            for group in _group_by_call(entries, version):
                try:
                    finished += self._score_group(version, group)
                except EstimatorUnsound as error:
                    self._shelf.discard(version.name, error)
                    finished += self._refuse_singles(group, UNSOUND, started_ms)
        return finished

    def _refuse_singles(self, entries: Sequence[Claimed], error: dict[str, str], started_ms: float) -> list[Finished]:
        """What this process cannot score goes to others, until it has been refused for too long."""
        return [fail_single(entry, error, started_ms) for entry in self._claims.refuse(entries)]

    def rest(self) -> None:
        """Lets go of what is held for a next chunk: nothing waits, or Redis may have lost what it was told lately."""
        self._bound.clear()
        self._files.rest()

    def score_chunk(self, entry: Claimed) -> Finished:
        """Scores one chunk of a batch job.

        Raises:
            GivenBack: this process cannot score it, and others may.
            BlobStoreUnavailable: it is a file's, and the store cannot be used now.
        """
        name = self._bind(entry.request)
        if name is None:  # cancelled, or answered by another scorer: nothing will be written
            return Finished(entry, State.FAILED, b"[]")
        version = self._find(name)
        if version is None:
            self._leave_to_others(entry)
            return fail_chunk(entry, VERSION_UNAVAILABLE)
        try:
            return self._score_chunk(entry, version)
        except EstimatorUnsound as error:
            self._shelf.discard(version.name, error)
            self._leave_to_others(entry)
            return fail_chunk(entry, UNSOUND)
        except MissingFile as error:
            self._leave_to_others(entry)
            return refuse_file(entry, error)

    def _bind(self, request: ScoreRequest) -> str | None:
        """The version that answers a batch job; None if the job is over.

        A job once bound stays so, and for the chunks of a JSON batch Redis is not asked again: it is at work on the
        chunk before, and would answer after that. So one chunk more of a cancelled job may be scored for nothing.
        """
        is_file = request.encoding == Encoding.BLOB
        if not is_file and (known := self._bound.get(request.job_id)):
            return known
        name = self._claims.bind_version(request.job_id, _version_for(request, self._shelf.champion))
        if name is not None and not is_file:
            if len(self._bound) >= MOST_BOUND:
                self._bound.clear()
            self._bound[request.job_id] = name
        return name

    def _leave_to_others(self, entry: Claimed) -> None:
        """Returns only where that was tried for too long."""
        if not self._claims.refuse([entry]):
            raise GivenBack(f"chunk {entry.name} is left to others")

    def _score_chunk(self, entry: Claimed, version: LoadedVersion) -> Finished:
        suspects = self._find_suspects(entry)
        if entry.request.encoding == Encoding.BLOB:
            self._claims.leave(ring=False)  # for longer than a wake-up takes
            return self._files.score(entry, version, suspects)
        try:
            array = decode_rows([entry.request], version.signature)
        except UnreadablePayload:
            return fail_chunk(entry, BROKEN_PAYLOAD)
        answers: list[Any] = []
        failures: list[RowFailure] = []
        compute_ms = 0.0
        while len(answers) < len(array):
            piece = array[len(answers) : len(answers) + slice_rows(version)]
            its_answers, its_failures, took_ms = self._score_slice(
                version, piece, entry.request, suspects, len(answers)
            )
            answers += its_answers
            failures += its_failures
            compute_ms += took_ms
        _log_failures(entry, failures)
        body = encode_answers(answers)
        dead_reason = next((row.quarantined for row in failures if row.quarantined), "")
        return Finished(
            entry,
            State.SUCCEEDED,
            body,
            failed_rows=len(failures),
            compute_ms=compute_ms,
            dead_reason=dead_reason,
        )

    def _find_suspects(self, entry: Claimed) -> Suspects:
        known = self._suspects.pop(entry.entry_id, None) if self._suspects else None
        return known or Suspects(entry, (), self._shelf.seat)

    def judge(self, taken_over: Sequence[Claimed], max_deliveries: int) -> tuple[list[Finished], list[Claimed]]:
        """Of what was taken over, what is not tried again, and the rest."""
        hopeless: list[Finished] = []
        again = [entry for entry in taken_over if entry.deliveries > 1]
        quarantined = set()
        for entry, strikes in zip(again, self._claims.strikes(again) if again else (), strict=True):
            suspects = Suspects(entry, strikes, self._shelf.seat)
            if reason := suspects.sentence:
                hopeless.append(quarantine(entry, reason))
                quarantined.add(entry.entry_id)
            elif strikes:
                self._suspects[entry.entry_id] = suspects
        left = [entry for entry in taken_over if entry.entry_id not in quarantined]
        hopeless += [give_up(entry) for entry in left if entry.deliveries > max_deliveries]
        return hopeless, [entry for entry in left if entry.deliveries <= max_deliveries]

    def record(self, finished: Sequence[Finished]) -> None:
        """Counts latencies, and logs one line that names every job of the micro-batch."""
        if not finished:
            return  # all of it was left to others
        self._latencies.add(finished)
        log.info(
            "micro_batch_finished",
            extra={
                "rows": sum(item.claimed.request.rows for item in finished),
                "compute_ms": round(max(item.compute_ms for item in finished), 3),
                "jobs": [
                    {
                        "job_id": item.claimed.request.job_id,
                        "request_id": item.claimed.request.request_id,
                        "chunk": item.claimed.request.chunk,
                        "failed_rows": item.failed_rows,
                    }
                    for item in finished
                ],
            },
        )

    def _score_group(self, version: LoadedVersion, entries: list[Claimed]) -> list[Finished]:
        started_ms = time.time() * 1000
        try:
            array = decode_rows([entry.request for entry in entries], version.signature)
        except UnreadablePayload:
            if len(entries) == 1:
                return [fail_single(entries[0], BROKEN_PAYLOAD, started_ms)]
            return [item for entry in entries for item in self._score_group(version, [entry])]
        wanted = {entry.request.returns for entry in entries}
        returns = Returns(wanted.pop()) if len(wanted) == 1 else Returns.BOTH
        if len(entries) == 1:
            call = partial(self._call, version, array, returns)
            rows, compute_ms = self._find_suspects(entries[0]).call(version, 0, 1, call)
        else:
            rows, compute_ms = self._call(version, array, returns)
        finished, documents = [], SingleDocuments(version, started_ms, compute_ms)
        for entry, row in zip(entries, rows, strict=True):
            if isinstance(row, RowFailure):
                _log_failures(entry, [row])
            state, body = documents.write(entry, answer_of(row, version.signature, entry.request))
            finished.append(Finished(entry, state, body, int(state is _FAILED), compute_ms))
        return finished

    def _score_slice(
        self, version: LoadedVersion, array: Any, request: ScoreRequest, suspects: Suspects, offset: int
    ) -> tuple[list[Any], list[RowFailure], float]:
        """The rows' answers, which of them are failures, and the milliseconds it took."""
        self._tell_if_busy(version, len(array))
        signature, returns = version.signature, Returns(request.returns)
        scored, took_ms = measure(version, len(array), lambda: suspects.score(version, array, offset, returns))
        if isinstance(scored, tuple):
            return answers_of_arrays(scored, signature, request), [], took_ms
        answers = [answer_of(row, signature, request) for row in scored]
        return answers, [row for row in scored if isinstance(row, RowFailure)], took_ms

    def _call(self, version: LoadedVersion, array: Any, returns: Returns) -> tuple[list[RowAnswer | RowFailure], float]:
        """Scores `array`; returns the answers and the milliseconds it took."""
        self._tell_if_busy(version, len(array))
        return measure(version, len(array), lambda: score_rows(version.calls, array, version.signature, returns))

    def _tell_if_busy(self, version: LoadedVersion, rows: int) -> None:
        if version.cost.of(rows) > BUSY_MS:
            self._claims.leave(ring=False)  # for longer than a wake-up takes

    def _find(self, version: str) -> LoadedVersion | None:
        try:
            return self._shelf.get(version)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # loading runs foreign code
            log.error("version_unavailable", extra={"version": version, "reason": tell(error)})
            return None


def _version_for(request: ScoreRequest, champion: LoadedVersion | None) -> str:
    """The champion, unless the job is pinned or was validated against another signature than the champion's."""
    if request.pinned or champion is None or champion.signature.digest != request.signature:
        return request.version
    return champion.name


def _group_by_call(entries: Sequence[Claimed], version: LoadedVersion) -> Iterable[list[Claimed]]:
    wanted = {entry.request.returns for entry in entries}
    calls = {returns: find_call(version.calls, Returns(returns)) for returns in wanted}
    groups: defaultdict[tuple[str, Returns, bytes], list[Claimed]] = defaultdict(list)
    for entry in entries:
        # What was delivered before may have ended who scored it: it is called alone.
        alone = entry.entry_id if entry.deliveries > 1 else b""
        groups[entry.request.encoding, calls[entry.request.returns], alone].append(entry)
    return groups.values()


def _log_failures(entry: Claimed, rows: Sequence[RowAnswer | RowFailure]) -> None:
    causes = {row.cause for row in rows if isinstance(row, RowFailure)}
    if causes:
        log.warning(
            "rows_failed",
            extra={
                "job_id": entry.request.job_id,
                "request_id": entry.request.request_id,
                "causes": sorted(causes),
            },
        )
