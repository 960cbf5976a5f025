"""How each stack is spoken to: the requests of a job, and what its answers mean.

The generator knows users, connections and time; everything that is one server's own form is here. Requests are built
once for each sample, and of an answer only what is checked gets parsed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.wire import FINAL_FAILURES, Response, Sample, build_get, build_post, decode_answer, is_right

WAIT_SECONDS = 10  #: what `Prefer: wait=` asks for
SUCCEEDED = "succeeded"
WRONG = "wrong_answer"


class Reading(NamedTuple):
    """What an answer means: how the job ended, or else (`outcome` is None) that it goes on, under which id."""

    outcome: str | None
    job_id: str = ""


@dataclass(frozen=True)
class Dialect:
    """One server's form.

    Attributes:
        build_submit: the request for a sample, asking to wait for the answer or not.
        build_look: the request for the state of a job.
        read: what an answer (to either) says of the job of a sample; ValueError if it is none.
    """

    build_submit: Callable[[Sample, bool], bytes]
    build_look: Callable[[str, bool], bytes]
    read: Callable[[Response, Sample], Reading]


def _submit_rhizome(sample: Sample, waits: bool) -> bytes:
    return build_post(sample, WAIT_SECONDS if waits else 0)


def _look_at_rhizome(job_id: str, waits: bool) -> bytes:
    return build_get(job_id, WAIT_SECONDS if waits else 0)


def _read_rhizome(response: Response, sample: Sample) -> Reading:
    if response.status not in (200, 202):
        return Reading(f"http_{response.status}")
    answer = decode_answer(response.body)
    if answer.status == SUCCEEDED:
        return Reading(SUCCEEDED if is_right(answer, sample) else WRONG)
    if answer.status in FINAL_FAILURES:
        return Reading(f"job_{answer.status}")
    return Reading(None, answer.id)


DIALECTS = {
    "rhizome": Dialect(_submit_rhizome, _look_at_rhizome, _read_rhizome),
}
