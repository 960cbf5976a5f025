"""Every error the client raises on purpose.

    ClientError
    ├── InvalidInput         the request cannot be accepted as it is; `problems` name field and remedy
    ├── NotAllowed           the admin key is missing or wrong, or admin calls are switched off
    ├── NotFound             no such job, version or address
    ├── Conflict             the state of the job, the key or the version stands against it
    ├── Gone                 the job is known, its result's time is over
    ├── TooBusy              the service takes nothing more for now; `retry_after_seconds` says when to come back
    ├── Unavailable          no answer, or one that says that the service cannot answer now
    ├── UnexpectedAnswer     an answer, but none of Rhizome's
    ├── Timeout              the time the caller gave is over; `job_id` can still be waited for
    ├── JobUnsuccessful      the job is final and there is no prediction
    │   ├── JobFailed        it could not be scored
    │   ├── JobCancelled     it was cancelled
    │   └── JobExpired       its deadline passed before it was taken
    └── WebhookInvalid       not from the service, or too old

Errors that come from an answer carry its `status`, `code`, `detail` and `request_id`; the codes are those of the HTTP
interface.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from rhizome.client.jobs import Job


class Problem(msgspec.Struct, frozen=True):
    """One thing to mend in a request: where, what, and how.

    Attributes:
        field: a path such as `petal_width` or `instances[3].petal_width`.
    """

    field: str = ""
    problem: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.field or 'request'} {self.problem}" + (f": {self.remedy}" if self.remedy else "")


class ClientError(Exception):
    """The base of all errors of the client.

    Attributes:
        detail: one sentence for people.
        code: stable, in snake_case; empty where no answer carried one.
        status: of the HTTP answer; None where there was none.
        request_id: finds the request in the service's logs.
    """

    def __init__(self, detail: str, *, code: str = "", status: int | None = None, request_id: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.status = status
        self.request_id = request_id


class InvalidInput(ClientError):
    def __init__(
        self,
        detail: str,
        *,
        code: str = "invalid_fields",
        status: int | None = None,
        request_id: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        super().__init__(detail, code=code, status=status, request_id=request_id)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n  ".join([self.detail, *map(str, self.problems)])


class NotAllowed(ClientError):
    pass


class NotFound(ClientError):
    pass


class Conflict(ClientError):
    pass


class Gone(ClientError):
    pass


class TooBusy(ClientError):
    def __init__(
        self,
        detail: str,
        *,
        code: str = "",
        status: int | None = None,
        request_id: str = "",
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(detail, code=code, status=status, request_id=request_id)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(ClientError):
    pass


class UnexpectedAnswer(ClientError):
    pass


class Timeout(ClientError):
    def __init__(self, detail: str, *, job_id: str) -> None:
        super().__init__(detail, code="timeout")
        self.job_id = job_id


class JobUnsuccessful(ClientError):
    def __init__(self, job: "Job") -> None:
        error = job.error
        super().__init__(
            error.detail if error else f"the job {job.id} is {job.status}",
            code=error.code if error else f"job_{job.status}",
            request_id=job.request_id or "",
        )
        self.job = job


class JobFailed(JobUnsuccessful):
    pass


class JobCancelled(JobUnsuccessful):
    pass


class JobExpired(JobUnsuccessful):
    pass


class WebhookInvalid(ClientError):
    pass
