"""Every error Rhizome raises on purpose, each with a stable snake_case code.

    RhizomeError
    ├── SettingsError            a setting is missing or unusable
    ├── StartupError             the service cannot start on this machine as it is
    ├── InvalidRequest           the caller sent something that cannot be accepted
    │   └── RowsFailed           the caller wants nothing but predictions, and some rows have none
    ├── LaneFull                 the lane holds as many waiting jobs as it may
    ├── DeadlineUnmeetable       the job would not be done by its deadline
    ├── JobNotFound              no job has this id
    ├── JobExpired               the job is known, its result's time is over
    ├── IdempotencyConflict      the Idempotency-Key stands for another request
    ├── JobFinished              the job is final and cannot be cancelled
    ├── JobCancelled             the job that a caller waits for was cancelled
    ├── AnswerOverdue            the job that a caller waits for was not answered in time
    ├── AnswerUnavailable        the job that a caller waits for failed, by no fault of the caller
    ├── WebhookNotFound          no job with a webhook has this id
    ├── WebhooksSwitchedOff      a webhook is wanted where none can be signed
    ├── WebhooksFull             too many events wait for receivers that do not answer
    ├── TooManyWaiters           so many requests wait, stream or send that no further one may
    ├── StorageFull              Redis has little memory left
    ├── BlobStoreUnavailable     the store of files cannot be used now
    │   └── BlobStoreFull        it has so little room left that nothing is written to it
    ├── BlobNotFound             a file is not in the store (any more)
    ├── RowsIncomplete           a batch's rows are not all there to be read
    ├── ExportNotReady           a file of a batch's rows is still being made
    ├── NotAcceptable            rows were asked for in a form they cannot be given in
    ├── RangeNotSatisfiable      the part asked for lies beyond the end
    ├── QueueUnavailable         Redis does not answer
    ├── DatasetError             the dataset cannot be trained on
    ├── ArtifactError            a version's files are missing or unreadable
    │   ├── ArtifactMissing      a version is not where it should be, perhaps only for now
    │   ├── ArtifactTampered     hash or signature do not match the manifest
    │   └── SelfTestFailed       the loaded version does not reproduce its golden rows
    └── RegistryError            versions and the champion pointer
        ├── ModelNotFound        no model of this name is served
        ├── VersionNotFound      no such version
        ├── NoChampion           nothing has been promoted yet
        ├── ChampionMoved        another promotion came first
        └── PromotionRefused     the gate, or a missing predecessor, says no

The codes are part of the HTTP surface: the gateway alone maps them to statuses.
"""


class RhizomeError(Exception):
    """The base of all deliberate errors; `code` is stable, the message is for people."""

    code = "internal_error"


class SettingsError(RhizomeError):
    code = "bad_settings"


class StartupError(RhizomeError):
    code = "cannot_start"


class InvalidRequest(RhizomeError):
    """The caller's request cannot be accepted.

    Attributes:
        problems: one mapping per offending field: `field` (a path), `problem` and `remedy`.
    """

    code = "invalid_request"

    def __init__(self, detail: str, *, code: str | None = None, problems: tuple[dict[str, object], ...] = ()) -> None:
        super().__init__(detail)
        self.code = code or self.code
        self.problems = problems


class RowsFailed(InvalidRequest):
    code = "rows_failed"


class LaneFull(RhizomeError):
    code = "lane_full"

    def __init__(self, lane: str, waiting: int) -> None:
        super().__init__(f"the {lane} lane already holds {waiting} waiting jobs; try again shortly")
        self.lane = lane
        self.waiting = waiting


class DeadlineUnmeetable(RhizomeError):
    """At the measured pace the job would be done too late; both times in ms from now."""

    code = "deadline_unmeetable"

    def __init__(self, estimate_ms: int, deadline_ms: int, *, remedy: str = "send a later deadline_ms") -> None:
        super().__init__(
            f"it would be done in about {estimate_ms} ms, after its deadline of {deadline_ms} ms; "
            f"{remedy}, a more urgent priority, or try again when less waits"
        )
        self.estimate_ms = estimate_ms
        self.deadline_ms = deadline_ms
        self.retry_after_seconds = max(1, -(-(estimate_ms - deadline_ms) // 1000))


class JobNotFound(RhizomeError):
    code = "job_not_found"


class JobExpired(RhizomeError):
    code = "job_expired"


class IdempotencyConflict(RhizomeError):
    code = "idempotency_conflict"


class JobFinished(RhizomeError):
    code = "job_finished"


class JobCancelled(RhizomeError):
    code = "job_cancelled"


class AnswerOverdue(RhizomeError):
    code = "answer_overdue"


class AnswerUnavailable(RhizomeError):
    code = "answer_unavailable"


class WebhookNotFound(RhizomeError):
    code = "webhook_not_found"


class WebhooksSwitchedOff(RhizomeError):
    code = "webhooks_switched_off"


class WebhooksFull(RhizomeError):
    code = "webhooks_full"


class TooManyWaiters(RhizomeError):
    code = "too_many_waiters"


class StorageFull(RhizomeError):
    code = "storage_full"


class BlobStoreUnavailable(RhizomeError):
    code = "file_store_unavailable"


class BlobStoreFull(BlobStoreUnavailable):
    code = "file_store_full"


class BlobNotFound(RhizomeError):
    code = "rows_gone"


class RowsIncomplete(RhizomeError):
    code = "rows_incomplete"


class ExportNotReady(RhizomeError):
    code = "export_not_ready"


class NotAcceptable(RhizomeError):
    code = "not_acceptable"


class RangeNotSatisfiable(RhizomeError):
    """The part asked for lies beyond the end.

    Attributes:
        size: how many bytes there are.
    """

    code = "range_not_satisfiable"

    def __init__(self, size: int) -> None:
        super().__init__(f"the range begins beyond the last of {size} bytes; ask for less, or without Range")
        self.size = size


class QueueUnavailable(RhizomeError):
    code = "queue_unavailable"

    def __init__(self, message: str = "the queue does not answer; try again shortly") -> None:
        super().__init__(message)


class DatasetError(RhizomeError):
    code = "bad_dataset"


class ArtifactError(RhizomeError):
    code = "artifact_unusable"


class ArtifactMissing(ArtifactError):
    code = "artifact_missing"


class ArtifactTampered(ArtifactError):
    code = "artifact_tampered"


class SelfTestFailed(ArtifactError):
    code = "self_test_failed"


class RegistryError(RhizomeError):
    code = "registry_error"


class ModelNotFound(RegistryError):
    code = "model_not_found"


class VersionNotFound(RegistryError):
    code = "version_not_found"


class NoChampion(RegistryError):
    code = "no_champion"


class ChampionMoved(RegistryError):
    code = "champion_moved"


class PromotionRefused(RegistryError):
    code = "promotion_refused"
