"""What the service says of jobs: their state, answers row by row, and the predictions of finished ones."""

from datetime import datetime
from typing import Any

import msgspec

from rhizome.client import tables
from rhizome.client.errors import JobCancelled, JobExpired, JobFailed, JobUnsuccessful

Label = str | int | float | bool

_FINAL = {"succeeded", "failed", "cancelled", "expired"}
_KIND_OF_STATUS: dict[str, type[JobUnsuccessful]] = {"cancelled": JobCancelled, "expired": JobExpired}


class JobError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a job, or one row of it, has no answer; rows of files also say which field and how to mend it."""

    code: str = ""
    detail: str = ""
    field: str | None = None
    problem: str | None = None
    remedy: str | None = None


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one row; what was not asked for, or does not exist for the estimator, is None.

    Attributes:
        label: the predicted class.
        probabilities: of each class, by its name.
        value: the prediction of a regression.
        outputs: by target, where there are several.
        error: why this row has no answer.
        line: of the file, where the row came from one and failed.
    """

    label: Label | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None
    outputs: dict[str, "Answer"] | None = None
    error: JobError | None = None
    line: int | None = None


class Timings(msgspec.Struct, frozen=True, omit_defaults=True):
    """Milliseconds that a job waited, took the estimator, and took from submit to result."""

    queued_ms: float | None = None
    compute_ms: float | None = None
    total_ms: float | None = None


class RowCounts(msgspec.Struct, frozen=True):
    """Rows of a batch job: all, finished, and finished with an error."""

    total: int = 0
    done: int = 0
    failed: int = 0


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job as it stands.

    Attributes:
        status: `queued`, `running`, `succeeded`, `failed`, `cancelled` or `expired`.
        kind: `single` or `batch`.
        rows: their number in a receipt, `RowCounts` of a batch.
        queue_position: entries that waited before it when it was accepted.
        eta_ms: expected time to the result.
        result: the answer of a finished single job.
        results: answers of a finished batch, `limit` at most, from row `offset` on.
        webhook_status: how the delivery of its events stands.
    """

    id: str
    status: str
    kind: str | None = None
    lane: str | None = None
    priority: int | None = None
    version: str | None = None
    artifact_sha256: str | None = None
    rows: RowCounts | int | None = None
    queue_position: int | None = None
    eta_ms: float | None = None
    rows_per_second: float | None = None
    request_id: str | None = None
    submitted_at: datetime | None = None
    expires_at: datetime | float | None = None
    finished_at: datetime | None = None
    timings: Timings | None = None
    result: Answer | None = None
    results: tuple[Answer, ...] | None = None
    error: JobError | None = None
    webhook_status: dict[str, Any] | None = None
    urls: dict[str, Any] | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in _FINAL

    @property
    def counts(self) -> RowCounts:
        """Rows, done and failed ones, whatever the kind of job."""
        if isinstance(self.rows, RowCounts):
            return self.rows
        total = self.rows or 1
        return RowCounts(total, total if self.is_final else 0, total if self.status == "failed" else 0)

    def check(self) -> "Job":
        """This job, if it succeeded or is under way.

        Raises:
            JobFailed, JobCancelled, JobExpired: it is final and has no prediction.
        """
        if self.is_final and self.status != "succeeded":
            raise _KIND_OF_STATUS.get(self.status, JobFailed)(self)
        return self


class Prediction(msgspec.Struct, frozen=True):
    """The answer to one sample, and what gave it: version, hash of its artefact, timings."""

    id: str
    version: str | None
    artifact_sha256: str | None
    timings: Timings
    request_id: str | None
    answer: Answer

    @property
    def label(self) -> Label | None:
        """The predicted class; None for regression."""
        return self.answer.label

    @property
    def probabilities(self) -> dict[str, float] | None:
        """Of each class, by its name."""
        return self.answer.probabilities

    @property
    def value(self) -> float | None:
        """The prediction of a regression."""
        return self.answer.value

    @property
    def outputs(self) -> dict[str, Answer] | None:
        """By target, where there are several."""
        return self.answer.outputs

    def to_pandas(self) -> Any:
        """A pandas DataFrame of one row; see `BatchResult.to_pandas`."""
        return tables.to_pandas([self.answer])


class BatchResult(msgspec.Struct, frozen=True):
    """The answers to many samples, in input order.

    Attributes:
        rows: how many there are, and how many failed.
        answers: one per row; None where they were written to `path`.
        path: the file that holds the answers.
    """

    id: str
    version: str | None
    artifact_sha256: str | None
    timings: Timings
    rows: RowCounts
    answers: tuple[Answer, ...] | None = None
    path: str | None = None

    def to_pandas(self) -> Any:
        """A pandas DataFrame, one row per sample.

        Columns: `label` and `probability_<class>`, or `value`, each preceded by `<target>_` where there are several
        targets; `error` where a row failed.

        Raises:
            ImportError: pandas is not installed.
            ValueError: the answers are in a file.
        """
        if self.answers is None:
            raise ValueError(f"the answers are in {self.path}; read them from there")
        return tables.to_pandas(self.answers)


class Event(msgspec.Struct, frozen=True):
    """What happened to a job: `status`, `progress` or `done`, and the job as it stands since."""

    type: str
    id: str
    job: Job


def prediction_of(job: Job) -> Prediction:
    """The prediction of a single job that is final.

    Raises:
        JobFailed, JobCancelled, JobExpired: there is none.
    """
    job.check()
    return Prediction(
        job.id,
        job.version,
        job.artifact_sha256,
        job.timings or Timings(),
        job.request_id,
        job.result or Answer(),
    )


def batch_result_of(job: Job, answers: tuple[Answer, ...] | None, path: str | None) -> BatchResult:
    """The answers of a batch job that is final, with what gave them."""
    timings = job.timings or Timings()
    return BatchResult(job.id, job.version, job.artifact_sha256, timings, job.counts, answers, path)
