"""What each worker child is doing, in memory that it shares with its parent: mapped before the fork, without locks.

A seat is a place in the pool. The child that takes it writes, the parent's warden looks, and the next child on the same
seat learns what became of the one before: nobody else can tell, after a crash, what was being done.
"""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from billiard.common import terminate_handler_fired

from rhizome.errors import RhizomeError

SEATS = 256  #: children beyond are not watched
NEVER = 0.0
_NAME_BYTES, _TEXT_BYTES = 128, 256

#: A call of the estimator may take so many times what the version's own calls make expect, and so long at least.
CALL_FACTOR = 20.0
MIN_CALL_SECONDS = 5.0
#: A child that ended so often in a row while it loaded one version shall not load it again at once. The first time may
#: have been an operator's kill.
LOADS_ENDED = 2
UNLOADABLE_SECONDS = 30.0  #: then it is tried again


class _Record(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_int64),
        ("loading_since", ctypes.c_double),
        ("calling_since", ctypes.c_double),
        ("call_limit", ctypes.c_double),
        ("cpu_since", ctypes.c_double),  # seconds of CPU that the child had taken when the call began
        ("loads_ended", ctypes.c_int64),
        ("is_testing", ctypes.c_int64),  # a call is for a row that the version is known to answer
        ("consumer", ctypes.c_char * _NAME_BYTES),
        ("version", ctypes.c_char * _NAME_BYTES),  # that it loads, or loaded last
        ("serving", ctypes.c_char * _NAME_BYTES),
        ("work", ctypes.c_char * _TEXT_BYTES),  # what the estimator is called for, where that is one entry alone
        ("sentence", ctypes.c_char * _TEXT_BYTES),  # why the warden killed it
    )


class EstimatorExited(RhizomeError):
    """An estimator wanted to end the process for a row: that is the row's failure, like any other exception."""

    code = "estimator_exited"


class Work(msgspec.Struct, frozen=True, array_like=True):
    """Rows of one entry that are in a call by themselves: of a chunk those from `first` to `last`, exclusive."""

    stream_index: int
    entry_id: str
    job_id: str
    chunk: int
    first: int
    last: int


class Ending(NamedTuple):
    """What a child was doing that ended amid a call or a load.

    Attributes:
        reason: why it ended.
        consumer: its name on the queue.
        work: what the estimator was called for; None where that was not one entry alone.
    """

    reason: str
    consumer: str
    work: Work | None


class Seat:
    """One child's side of its seat; without a record of its own memory, which nobody watches.

    Args:
        record: shared with the parent.
        most_call_seconds: no call may take longer.
    """

    def __init__(self, record: _Record | None = None, most_call_seconds: float = float("inf")) -> None:
        self._record = _Record() if record is None else record
        self._most_call_seconds = most_call_seconds
        self._unloadable: dict[str, tuple[str, float]] = {}  #: why, and until when (monotonic seconds)
        #: The name on the queue of the child before, which has ended; empty for none.
        self.predecessor = ""

    def take(self, ended: str, consumer: str) -> Ending | None:
        """Begins a child's life on this seat; what the one before left unfinished, if it did.

        Args:
            ended: how its process ended.
            consumer: this child's name on the queue.
        """
        record = self._record
        was_loading, was_calling = record.loading_since != NEVER, record.calling_since != NEVER
        reason = record.sentence.decode(errors="replace") or ended
        version, work = record.version.decode(), record.work
        self.predecessor = record.consumer.decode()
        was_testing, record.is_testing = was_calling and record.is_testing == 1, 0
        if was_testing or (was_loading and not was_calling):  # of both at once, nobody knows which it was
            is_certain = record.sentence or was_testing
            record.loads_ended = LOADS_ENDED if is_certain else record.loads_ended + 1
            if record.loads_ended >= LOADS_ENDED:
                self._unloadable[version] = reason, time.monotonic() + UNLOADABLE_SECONDS
        ending = None
        if was_calling and not was_testing and (record.sentence or not was_loading):
            ending = Ending(reason, self.predecessor, _decode_work(work))
        record.loading_since = record.calling_since = NEVER
        record.work = record.sentence = record.serving = b""
        record.consumer = consumer.encode()[: _NAME_BYTES - 1]
        record.pid = os.getpid()
        return ending

    def why_unloadable(self, version: str) -> str:
        """Why a version is not to be loaded here for a while: the child before did not survive it. Else empty."""
        reason, until = self._unloadable.get(version, ("", NEVER))
        return reason if time.monotonic() < until else ""

    @contextmanager
    def loading(self, version: str) -> Iterator[None]:
        """Reads, unpickles and tries a version; for one thread at a time."""
        record = self._record
        if record.version != version.encode():
            record.version, record.loads_ended = version.encode(), 0
        record.loading_since = time.monotonic()
        try:
            yield
        finally:
            record.loading_since = NEVER

    @contextmanager
    def testing(self, version: str) -> Iterator[None]:
        """Calls a loaded version for a sound row: who ends amid that is taken to have ended while it loaded it."""
        record = self._record
        if record.version != version.encode():
            record.version, record.loads_ended = version.encode(), 0
        record.is_testing = 1
        try:
            yield
        finally:
            record.is_testing = 0

    def loaded(self) -> None:
        """It can be loaded here, after all."""
        self._record.loads_ended = 0

    def serve(self, version: str) -> None:
        """The champion from now on."""
        self._record.serving = version.encode()[: _NAME_BYTES - 1]

    def work_on(self, work: Work | None) -> None:
        """What the estimator is called for from now on; None where it is not one entry alone."""
        self._record.work = msgspec.json.encode(work)[: _TEXT_BYTES - 1] if work else b""

    def watch(self, call: Callable[[Any], Any], expect_ms: Callable[[int], float]) -> Callable[[Any], Any]:
        """`call`, which takes rows, such that the warden sees how long it has taken and may take."""
        record, most = self._record, self._most_call_seconds

        def watched(array: Any) -> Any:
            seconds = CALL_FACTOR * expect_ms(len(array)) / 1000
            record.call_limit = min(most, max(MIN_CALL_SECONDS, seconds))
            record.cpu_since = time.process_time()
            record.calling_since = time.monotonic()
            try:
                return call(array)
            except (SystemExit, KeyboardInterrupt) as error:
                if terminate_handler_fired():  # the process has been told to end
                    raise
                raise EstimatorExited(f"the estimator raised {type(error).__name__}") from error
            finally:
                record.calling_since = NEVER

        return watched


def _is_starved(pid: int, cpu_since: float, limit: float) -> bool:
    """Whether a call has not had its time yet, because others keep the processor busy: it wants to run, and may not."""
    with suppress(OSError, ValueError):
        facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        state, ticks = facts[0], int(facts[11]) + int(facts[12])
        return state == "R" and ticks / os.sysconf("SC_CLK_TCK") - cpu_since < limit / 2
    return False


def _decode_work(written: bytes) -> Work | None:
    try:
        return msgspec.json.decode(written, type=Work) if written else None
    except msgspec.DecodeError:  # its process ended while it wrote
        return None


class Seats:
    """The parent's side.

    Args:
        load_limit_seconds: no load may take longer.
        most_call_seconds: nor a call.
    """

    def __init__(self, load_limit_seconds: float, most_call_seconds: float) -> None:
        self._records = RawArray(_Record, SEATS)
        self._load_limit_seconds = load_limit_seconds
        self._most_call_seconds = most_call_seconds

    def at(self, index: int | None) -> Seat:
        """A child's seat, by its place in the pool."""
        if index is None or not 0 <= index < SEATS:
            return Seat(None, self._most_call_seconds)
        return Seat(self._records[index], self._most_call_seconds)

    def judge(self, index: int, pid: int) -> str:
        """Why the child with this pid must end; empty while it need not. Noted for the next one on its seat."""
        if not 0 <= index < SEATS or (record := self._records[index]).pid != pid or record.sentence:
            return ""
        reason, now = "", time.monotonic()
        since, limit = record.calling_since, record.call_limit
        # Read twice: between two looks one call may have ended and another begun.
        if since != NEVER and now - since > limit and since == record.calling_since:
            is_over = now - since > self._most_call_seconds
            if is_over or not _is_starved(pid, record.cpu_since, limit):
                reason = f"the estimator took longer than {limit:.0f} s"
        since, limit = record.loading_since, self._load_limit_seconds
        if since != NEVER and now - since > limit and since == record.loading_since:
            reason = f"loading it took longer than {limit:.0f} s"
        if reason:
            record.sentence = reason.encode()
        return reason

    def serving(self, index: int) -> str:
        """The version that a child serves; empty for none."""
        return str(self._records[index].serving.decode()) if 0 <= index < SEATS else ""
