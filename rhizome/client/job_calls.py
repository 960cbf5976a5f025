"""Calls about one job: submit a sample, wait for it, read it, follow it, cancel it."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Unpack, cast

from rhizome.client.bodies import JsonBody
from rhizome.client.errors import Timeout
from rhizome.client.following import follow_events
from rhizome.client.jobs import Event, Job, Prediction, prediction_of
from rhizome.client.options import Options, split_options
from rhizome.client.retries import Patience, Pauses, send
from rhizome.client.samples import needs_names, read_sample
from rhizome.client.service_calls import ServiceCalls
from rhizome.client.session import path_part, read_as
from rhizome.client.steps import Body, Feed, Flow, Request, Sleep

MAX_WAIT_SECONDS = 20.0  #: of one request: below what proxies commonly cut
_SILENCE_SECONDS = 10.0  #: how much longer than it was asked to wait the service may take to say so


class JobCalls(ServiceCalls):
    """Calls about one job."""

    def predict(
        self,
        sample: Any,
        *,
        wait: float = MAX_WAIT_SECONDS,
        timeout: float | None = None,
        columns: Sequence[str] | None = None,
        **options: Unpack[Options],
    ) -> Flow[Prediction]:
        """Submits one sample and waits for its prediction.

        Args:
            sample: a mapping from feature to value, a pandas Series, a frame of one row, or values by position. NaN,
                None and what libraries have for missing values are sent as null.
            wait: seconds that the service is asked to hold the first request.
            timeout: seconds until a prediction must be there; the client's if None.
            columns: the features by position; asked of the service if the sample has no names and this is None.
            options: see `Options`.

        Raises:
            InvalidInput: the service, or JSON, cannot take the sample; `problems` name field and remedy.
            JobFailed, JobCancelled, JobExpired: there is no prediction.
            Timeout: it is not there in time; `job_id` can be waited for again.
            TooBusy, Unavailable: not even the submit went through in time.

        >>> sample = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}
        >>> prediction = client.predict(sample)
        >>> prediction.label
        'setosa'
        >>> client.predict([6.5, 3.0, 5.8, 2.2]).label
        'virginica'
        """
        patience = self._patience(timeout)
        document = yield from self._read_sample(sample, columns, options.get("version"))
        seconds = min(wait, patience.seconds_left)
        job = yield from self._submit("/predict", JsonBody(document), options, patience, wait_seconds=seconds)
        if not job.is_final:
            job = yield from self._await(job.id, patience)
        return prediction_of(job)

    def submit(self, sample: Any, *, columns: Sequence[str] | None = None, **options: Unpack[Options]) -> Flow[Job]:
        """Submits one sample; `wait` or `result` give what comes of it. Arguments and errors as of `predict`.

        >>> job = client.submit(sample)
        >>> client.wait(job.id).result.label
        'setosa'
        """
        document = yield from self._read_sample(sample, columns, options.get("version"))
        return (yield from self._submit("/predict", JsonBody(document), options, self._patience()))

    def result(self, job_id: str, *, wait: float = 0.0) -> Flow[Job]:
        """A job as it stands, or as it stands after the service has waited for it.

        Args:
            job_id: from `submit`.
            wait: seconds to wait at most, and no longer than the service allows.

        Raises:
            NotFound: there is no such job.
            Gone: its result's time is over.
        """
        return (yield from self._look(job_id, wait, {}, self._patience(self._timeout_seconds + wait)))

    def wait(self, job_id: str, timeout: float | None = None) -> Flow[Job]:
        """Waits until a job is final. The service does the waiting; its restarts and lost connections are survived.

        Args:
            job_id: from `submit` or `submit_batch`.
            timeout: seconds; the client's if None, `math.inf` for as long as it takes.

        Returns:
            The job, succeeded or not; its `check()` raises if it did not.

        Raises:
            Timeout: it is not final in time.
            NotFound, Gone: as of `result`.
        """
        return (yield from self._await(job_id, self._patience(timeout)))

    def cancel(self, job_id: str) -> Flow[Job]:
        """Cancels a job that is not final; once more changes nothing.

        Raises:
            Conflict: it is final already.
        """
        return read_as(Job, (yield from send(Request("DELETE", result_path(job_id)), self._patience())))

    def purge(self, job_id: str) -> Flow[None]:
        """Removes a job for good, with its rows, files and webhook's log; one that is not final is cancelled first.

        Raises:
            NotFound: there is no such job.
            Gone: its result's time is over, or it was purged before this call.

        >>> job = client.submit(sample)
        >>> client.purge(job.id)
        """
        request = Request("DELETE", result_path(job_id), {"purge": "true"}, done_status=410)
        yield from send(request, self._patience())

    def redeliver(self, job_id: str) -> Flow[dict[str, Any]]:
        """Has a job's webhook sent once more, under the same message id.

        Raises:
            NotFound: the job has none.
        """
        request = Request("POST", f"{result_path(job_id)}/webhook/redeliver")
        reply = yield from send(request, self._patience())
        return read_as(dict[str, Any], reply) if reply.content else {}

    def stream(self, job_id: str) -> Feed[Event]:
        """A job's life as it happens, up to its end; lost connections are taken up where they broke.

        Raises:
            NotFound, Gone: as of `result`.
            Unavailable: the service gave no sign of life for the client's timeout.

        >>> job = client.submit(sample)
        >>> [event.job.status for event in client.stream(job.id)][-1]
        'succeeded'
        """
        yield from follow_events(f"{result_path(job_id)}/stream", self._endless())

    def _read_sample(self, sample: Any, columns: Sequence[str] | None, version: str | None) -> Flow[dict[str, Any]]:
        names = (yield from self._feature_names(version)) if needs_names(sample, columns) else columns or ()
        return read_sample(sample, names)

    def _submit(
        self,
        path: str,
        body: Body,
        options: Options,
        patience: Patience,
        *,
        known: type[Options] = Options,
        wait_seconds: float = 0.0,
        silence_seconds: float = _SILENCE_SECONDS,
    ) -> Flow[Job]:
        params, headers = split_options(cast(dict[str, Any], options), known)
        headers |= body.headers
        if wait_seconds >= 1:
            headers["Prefer"] = f"wait={int(wait_seconds)}"
        request = Request("POST", path, params, headers, body, patience_seconds=wait_seconds + silence_seconds)
        return read_as(Job, (yield from send(request, patience)))

    def _look(self, job_id: str, wait_seconds: float, params: dict[str, str], patience: Patience) -> Flow[Job]:
        if wait_seconds > 0:
            params = params | {"wait": f"{wait_seconds:.3f}"}
        request = Request("GET", result_path(job_id), params, patience_seconds=wait_seconds + _SILENCE_SECONDS)
        return read_as(Job, (yield from send(request, patience)))

    def _await(
        self,
        job_id: str,
        patience: Patience,
        look_seconds: float = MAX_WAIT_SECONDS,
        params: dict[str, str] | None = None,
        on_look: Callable[[Job], object] = lambda _: None,
    ) -> Flow[Job]:
        """Looks until the job is final; each look is held by the service for `look_seconds` at most."""
        pauses = Pauses()
        while True:
            wait_seconds, begun = min(look_seconds, patience.seconds_left), time.monotonic()
            job = yield from self._look(job_id, wait_seconds, params or {}, patience)
            on_look(job)
            if job.is_final:
                return job
            if patience.seconds_left <= 0:
                raise Timeout(f"the job {job_id} is still {job.status}; wait for it again", job_id=job_id)
            if time.monotonic() - begun < wait_seconds / 2:  # too many wait already: the service did not
                yield Sleep(min(pauses.next_seconds(), patience.seconds_left))


def result_path(job_id: str) -> str:
    """Where a job's result is."""
    return f"/result/{path_part(job_id)}"
