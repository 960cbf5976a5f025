"""The stream's entries in a scorer's hands, and as the scripts take and give them."""

from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from rhizome.jobs import (
    DEFAULT_PRIORITY,
    PRIORITIES,
    STREAMS,
    Lane,
    ScoreRequest,
    State,
    decode_request,
    lane_of,
    priority_of,
)

MOST_TOGETHER = 1_000  #: single jobs written as one part: Lua unpacks some thousand values at once
_BATCH, _FAILED = Lane.BATCH, State.FAILED  # an enum's members are looked up anew each time
#: Lane and priority of each of `STREAMS`.
_PLACES = [(lane_of(stream), priority_of(stream)) for stream in STREAMS]


class Next(StrEnum):
    """What a scorer does that has heard nothing for a while."""

    CLAIM = "claim"  #: something waits
    LISTEN = "listen"  #: go on
    LEAVE = "leave"  #: its process is wanted for another task, or another scorer listens


class Claimed(NamedTuple):
    """One stream entry in the hands of this scorer; `deliveries` counts how often it was given to any."""

    lane: Lane
    entry_id: bytes
    request: ScoreRequest
    deliveries: int = 1
    priority: int = DEFAULT_PRIORITY

    @property
    def stream_index(self) -> int:
        """Which of the scripts' `STREAMS` holds it, counted from 1."""
        if self.lane is _BATCH:
            return len(STREAMS)
        return self.priority + 1 if self.request.kind == "single" else len(PRIORITIES) + 1

    @property
    def name(self) -> str:
        """Names it among the entries of all streams."""
        return f"{self.request.job_id}:{self.request.chunk}"

    @property
    def submitted_ms(self) -> int:
        """When Redis accepted it, in ms since 1970: the entry id begins with it."""
        return int(self.entry_id.partition(b"-")[0])


class Finished(NamedTuple):
    """What became of a claimed entry.

    Attributes:
        claimed: the entry.
        state: the job's final state (single jobs; a batch job's follows from its rows).
        body: a single job's final document, or the JSON array of a chunk's answers.
        failed_rows: how many of the entry's rows failed.
        compute_ms: time spent in the estimator.
        dead_reason: why it is dead-lettered; empty if it is not.
        rows: how many rows the entry turned out to hold; None where the request knew.
        job_error: JSON with `code` and `detail`, where the whole batch job fails by it; empty if it does not.
    """

    claimed: Claimed
    state: State
    body: bytes
    failed_rows: int = 0
    compute_ms: float = 0.0
    dead_reason: str = ""
    rows: int | None = None
    job_error: bytes = b""


def parse_claim(answer: Sequence[Sequence[bytes]]) -> list[Claimed]:
    """What a script took. `answer` holds one flat list per stream: entry id, message, entry id, message, …"""
    return [
        parse_entry(index, entry_id, message)
        for index, flat in enumerate(answer)
        for entry_id, message in zip(flat[::2], flat[1::2], strict=True)
    ]


def parse_entry(index: int, entry_id: bytes, message: bytes, deliveries: int = 1) -> Claimed:
    """An entry of the stream `STREAMS[index]`."""
    lane, priority = _PLACES[index]
    return Claimed(lane, entry_id, decode_request(message), deliveries, priority)


_Group = tuple[int, bool, bool]


def group_singles(finished: Sequence[Finished]) -> tuple[dict[_Group, list[Finished]], list[Finished]]:
    """Single jobs by stream, whether they failed and whether somebody waits; and the chunks."""
    groups: defaultdict[_Group, list[Finished]] = defaultdict(list)
    chunks = []
    for item in finished:
        claimed = item.claimed
        if claimed.request.kind == "single":
            groups[claimed.stream_index, item.state is _FAILED, claimed.request.waited].append(item)
        else:
            chunks.append(item)
    return groups, chunks


def singles_args(index: int, has_failed: bool, is_waited: bool, group: Sequence[Finished]) -> list[Any]:
    """Single jobs of one group, as one part of a call of `finish.lua`."""
    state = State.FAILED.value if has_failed else State.SUCCEEDED.value
    args: list[Any] = ["singles", index, state, "1" if is_waited else "0", len(group)]
    args += [item.claimed.entry_id for item in group]
    for item in group:
        args += (item.claimed.request.job_id, item.body)
    return args


def chunk_args(item: Finished) -> list[Any]:
    """A chunk, likewise."""
    claimed, request = item.claimed, item.claimed.request
    return [
        "chunk",
        claimed.stream_index,
        claimed.entry_id,
        request.job_id,
        item.body,
        request.rows if item.rows is None else item.rows,
        item.failed_rows,
        request.chunk,
        item.compute_ms,
        item.job_error,
    ]


def dead_letter_args(item: Finished) -> list[Any]:
    """That an entry is given up, likewise."""
    return ["dead", item.claimed.request.job_id, item.claimed.entry_id, item.dead_reason]
