"""Calls about many samples: submit them in the form that suits their number, wait, and read or download the answers."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from rhizome.client.bodies import FileBody, JsonBody, NdjsonBody, content_type_of, format_of
from rhizome.client.downloads import download_to
from rhizome.client.errors import Conflict, InvalidInput
from rhizome.client.job_calls import MAX_WAIT_SECONDS, JobCalls, result_path
from rhizome.client.jobs import Answer, BatchResult, Job, batch_result_of
from rhizome.client.options import BatchOptions
from rhizome.client.progress import Bars, Silence
from rhizome.client.retries import Patience
from rhizome.client.samples import Samples, needs_names, read_samples
from rhizome.client.steps import Body, Emit, Feed, Flow

#: What a service takes as one JSON document unless its settings say otherwise; more is sent as a stream of lines.
MAX_JSON_ROWS = 10_000
MAX_JSON_BYTES = 7 * 1024 * 1024
_BATCH_PATH = "/predict/batch"
_SILENCE_SECONDS = 60.0  #: a large file may be put away before it is answered for
_LOOK_SECONDS = 1.0  #: how often a progress bar moves
_WORTH_A_BAR_BYTES = 4 * 1024 * 1024


class BatchCalls(JobCalls):
    """Calls about many samples."""

    def predict_batch(
        self,
        data: Any,
        *,
        output: str | os.PathLike[str] | None = None,
        format: str | None = None,
        columns: Sequence[str] | None = None,
        timeout: float = math.inf,
        progress: bool = True,
        **options: Unpack[BatchOptions],
    ) -> Flow[BatchResult]:
        """Submits many samples and waits for their predictions.

        Args:
            data: a pandas, polars or pyarrow frame; an array or lists of shape (rows, features); mappings from feature
                to value; or the path of a file (.csv, .ndjson, .jsonl, .parquet, also with .gz or .zst), which is
                streamed. NaN, None and what libraries have for missing values are sent as null.
            output: a file for the answers (.csv, .ndjson, .parquet); without one they are held in memory.
            format: of the data's file; by its name if None.
            columns: the features by position; asked of the service if the data has no names and this is None.
            timeout: seconds; without one, as long as it takes.
            progress: whether to show a bar, where somebody can see it.
            options: see `BatchOptions`.

        Returns:
            One answer per row in input order; rows that could not be scored carry an error.

        Raises:
            InvalidInput: the service, or JSON, cannot take the data; `problems` name field and remedy.
            JobFailed, JobCancelled, JobExpired: the job as a whole has no predictions.
            Timeout: they are not there in time; `job_id` can be waited for again.

        >>> rows = [[5.1, 3.5, 1.4, 0.2], [6.5, 3.0, 5.8, 2.2]]
        >>> columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
        >>> result = client.predict_batch(rows, columns=columns)
        >>> [answer.label for answer in result.answers]
        ['setosa', 'virginica']
        """
        patience = self._patience(timeout)
        job = yield from self._submit_data(data, format, columns, progress, options, patience)
        # Of answers that go to a file, none need to come with the job.
        job = yield from self._follow(job, patience, progress, {"limit": "1"} if output else {})
        job.check()
        if output is not None:
            path = yield from self.download(job.id, output, timeout=timeout)
            return batch_result_of(job, None, str(path))
        return batch_result_of(job, (yield from self._collect(job)), None)

    def submit_batch(
        self,
        data: Any,
        *,
        format: str | None = None,
        columns: Sequence[str] | None = None,
        progress: bool = False,
        **options: Unpack[BatchOptions],
    ) -> Flow[Job]:
        """Submits many samples under one id. Arguments and errors as of `predict_batch`; `progress` is of the upload.

        >>> job = client.submit_batch([sample, sample])
        >>> client.wait(job.id).counts
        RowCounts(total=2, done=2, failed=0)
        """
        return (yield from self._submit_data(data, format, columns, progress, options, self._endless()))

    def wait_batch(self, job_id: str, timeout: float = math.inf, *, progress: bool = True) -> Flow[Job]:
        """Waits like `wait`, with a bar of the rows."""
        patience = self._patience(timeout)
        job = yield from self._look(job_id, 0.0, {"limit": "1"}, patience)
        return (yield from self._follow(job, patience, progress, {"limit": "1"}))

    def rows(self, job_id: str, *, offset: int = 0, page_rows: int | None = None) -> Feed[Answer]:
        """The answers of a finished batch in input order, fetched page by page.

        Args:
            job_id: of the batch.
            offset: index of the first row.
            page_rows: rows per request; as many as the service gives if None.

        Raises:
            Conflict: the job is not final yet.

        >>> job = client.submit_batch([sample, sample])
        >>> _ = client.wait(job.id)
        >>> [answer.label for answer in client.rows(job.id)]
        ['setosa', 'setosa']
        """
        while True:
            job = yield from self._page(job_id, offset, page_rows)
            answers = _answers_of(job)
            for answer in answers:
                yield Emit(answer)
            offset += len(answers)
            if not answers or offset >= job.counts.total:
                return

    def download(
        self, job_id: str, path: str | os.PathLike[str], format: str | None = None, *, timeout: float = math.inf
    ) -> Flow[Path]:
        """Writes a finished batch's answers to a file, which appears when it is whole; broken downloads are taken up.

        Args:
            job_id: of the batch.
            path: of the file.
            format: `csv`, `ndjson`, `jsonl` or `parquet`; by the file's name if None.
            timeout: seconds; without one, as long as it takes.

        Raises:
            InvalidInput: there is no such format.
            Conflict: the job is not final yet.
        """
        target = Path(path)
        accept = content_type_of(format or format_of(target))
        return (yield from download_to(target, result_path(job_id), accept, self._patience(timeout)))

    def _submit_data(
        self,
        data: Any,
        format: str | None,
        columns: Sequence[str] | None,
        progress: bool,
        options: BatchOptions,
        patience: Patience,
    ) -> Flow[Job]:
        if isinstance(data, str | os.PathLike):
            file = FileBody(Path(data), format)
            with _bars(progress, file.bytes) as bars:
                file.on_sent = bars.uploaded
                return (yield from self._submit_body(file, options, patience))
        names = (yield from self._feature_names(options.get("version"))) if needs_names(data, columns) else columns
        samples = read_samples(data, names or ())
        return (yield from self._submit_samples(samples, options, patience))

    def _submit_samples(self, samples: Samples, options: BatchOptions, patience: Patience) -> Flow[Job]:
        """As one JSON document if it is small, else line by line."""
        if len(samples) <= MAX_JSON_ROWS:
            document = JsonBody({"instances": list(samples)})
            if len(document) <= MAX_JSON_BYTES:
                try:
                    return (yield from self._submit_body(document, options, patience))
                except InvalidInput as error:
                    if error.status != 413:
                        raise
        return (yield from self._submit_body(NdjsonBody(samples), options, patience))

    def _submit_body(self, body: Body, options: BatchOptions, patience: Patience) -> Flow[Job]:
        return (
            yield from self._submit(
                _BATCH_PATH, body, options, patience, known=BatchOptions, silence_seconds=_SILENCE_SECONDS
            )
        )

    def _follow(self, job: Job, patience: Patience, progress: bool, params: dict[str, str]) -> Flow[Job]:
        if job.is_final:
            return job
        look_seconds = _LOOK_SECONDS if progress else MAX_WAIT_SECONDS
        with _bars(progress) as bars:
            return (
                yield from self._await(job.id, patience, look_seconds, params, lambda seen: bars.scored(seen.counts))
            )

    def _collect(self, job: Job) -> Flow[tuple[Answer, ...]]:
        """All answers, of which the job holds the first."""
        answers = list(job.results or ())
        while len(answers) < job.counts.total:
            page = _answers_of((yield from self._page(job.id, len(answers), None)))
            if not page:
                break
            answers += page
        return tuple(answers)

    def _page(self, job_id: str, offset: int, page_rows: int | None) -> Flow[Job]:
        params = {"offset": str(offset)} | ({"limit": str(page_rows)} if page_rows else {})
        job = yield from self._look(job_id, 0.0, params, self._patience())
        if not job.is_final:
            raise Conflict(f"the job {job_id} is {job.status}; wait for it first", code="job_not_finished")
        return job


def _answers_of(job: Job) -> tuple[Answer, ...]:
    if job.results is None and job.result is None:
        job.check()
    return job.results if job.results is not None else (job.result or Answer(),)


def _bars(progress: bool, file_bytes: int = 0) -> Bars | Silence:
    return Bars(file_bytes if file_bytes >= _WORTH_A_BAR_BYTES else 0) if progress else Silence()
