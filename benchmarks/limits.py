"""What one process can do without a queue: the same bytes decoded, predicted and encoded, the obvious fast way.

Run as `python -m benchmarks.limits singles|table`, as a process of its own: so its CPU time and memory are its own, and
it has one BLAS thread as the services have. Prints one JSON object. Nothing of the service's own scoring is used: a
service that gets faster must not move what it is measured against.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import msgspec
import numpy as np

from benchmarks.footprint import parse_sizes
from benchmarks.place import ROOT
from benchmarks.process_tree import PROC

#: Jobs decoded, predicted and encoded together: more gain nothing.
BLOCK_JOBS = 4_096
LIMIT_SECONDS = 600.0
WARMUP_SHARE = 0.1  #: of the jobs, so that nothing measured is a first call; a table is answered twice
FORMS = ("json", "csv", "ndjson", "parquet")


class Limit(NamedTuple):
    """What was measured: wall and CPU seconds, the most memory (RSS), and how many bytes the answers have."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    answer_bytes: int


def run_limit(kind: str, form: str, data: Path, artefact: Path) -> Limit:
    """Measures in a process of its own.

    Args:
        kind: `singles` (then `data` is a msgpack array of stream entries) or `table`.
        form: of a table: one of `FORMS`.
        data: the file with what is to be answered.
        artefact: the estimator.
    """
    words = ["-m", "benchmarks.limits", kind, "--form", form, "--data", str(data), "--artefact", str(artefact)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True, timeout=LIMIT_SECONDS
    )
    return Limit(**json.loads(done.stdout))


def answer_singles(estimator: Any, entries: Sequence[bytes]) -> list[bytes]:
    """The final documents of single jobs, with every field that the service writes."""
    decode = msgspec.msgpack.Decoder(list[Any]).decode
    encode = msgspec.json.Encoder().encode
    classes = [str(label) for label in estimator.classes_]
    documents: list[bytes] = []
    for start in range(0, len(entries), BLOCK_JOBS):
        requests = [decode(entry) for entry in entries[start : start + BLOCK_JOBS]]
        array = np.frombuffer(b"".join([request[4] for request in requests])).reshape(len(requests), -1)
        probabilities = estimator.predict_proba(array)
        best, rows = probabilities.argmax(axis=1).tolist(), probabilities.tolist()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        timings = {"queued_ms": 1.234, "compute_ms": 1.234, "total_ms": 1.234}
        documents += [
            encode(
                {
                    "id": request[0],
                    "status": "succeeded",
                    "kind": "single",
                    "lane": "interactive",
                    "priority": 1,
                    "version": request[6],
                    "artifact_sha256": request[5],
                    "request_id": request[9],
                    "submitted_at": now,
                    "finished_at": now,
                    "timings": timings,
                    "result": {"label": classes[label], "probabilities": dict(zip(classes, row, strict=True))},
                }
            )
            for request, label, row in zip(requests, best, rows, strict=True)
        ]
    return documents


def answer_table(estimator: Any, form: str, data: bytes, names: Sequence[str]) -> bytes:
    """A whole table's answers: CSV for CSV, else JSON as the form is (lines, but for `json`)."""
    array = _PARSERS[form](data, names)
    probabilities = estimator.predict_proba(array)
    classes = [str(label) for label in estimator.classes_]
    best = probabilities.argmax(axis=1)
    if form in ("csv", "parquet"):
        return _encode_csv(classes, best, probabilities)
    if form == "ndjson":
        return _encode_lines(classes, best, probabilities, "\n")
    return b"[" + _encode_lines(classes, best, probabilities, ",")[:-1] + b"]"


def _parse_csv(data: bytes, names: Sequence[str]) -> Any:
    from pyarrow import csv  # noqa: PLC0415 - the memory of a form is that of its own libraries

    table = csv.read_csv(io.BytesIO(data), read_options=csv.ReadOptions(use_threads=False))
    return np.column_stack([table.column(name).to_numpy() for name in names])


def _parse_parquet(data: bytes, names: Sequence[str]) -> Any:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    table = parquet.read_table(pa.BufferReader(data), columns=list(names), use_threads=False)
    return np.column_stack([table.column(name).to_numpy() for name in names])


def _row_type(names: Sequence[str]) -> Any:
    fields: list[Any] = [(f"f{index}", float) for index in range(len(names))]
    rename = {f"f{index}": name for index, name in enumerate(names)}
    return msgspec.defstruct("Row", fields, rename=rename, gc=False)


def _parse_ndjson(data: bytes, names: Sequence[str]) -> Any:
    return _to_array(msgspec.json.Decoder(_row_type(names)).decode_lines(data), len(names))


def _parse_json(data: bytes, names: Sequence[str]) -> Any:
    body = msgspec.defstruct("Body", [("instances", list[_row_type(names)])], gc=False)  # type: ignore[misc]
    return _to_array(msgspec.json.Decoder(body).decode(data).instances, len(names))


def _to_array(rows: Sequence[Any], width: int) -> Any:
    values = chain.from_iterable(map(attrgetter(*(f"f{index}" for index in range(width))), rows))
    return np.fromiter(values, np.float64, len(rows) * width).reshape(len(rows), width)


_PARSERS: dict[str, Callable[[bytes, Sequence[str]], Any]] = {
    "json": _parse_json,
    "csv": _parse_csv,
    "ndjson": _parse_ndjson,
    "parquet": _parse_parquet,
}


def _encode_lines(classes: Sequence[str], best: Any, probabilities: Any, end: str) -> bytes:
    """One JSON object a row, each with `end`. Arrow writes all numbers of a column at once,
    in a third of the time of an object a row.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    labels = pa.DictionaryArray.from_arrays(pa.array(best), [json.dumps(label) for label in classes]).cast(pa.string())
    pieces: list[Any] = ['{"label":', labels, ',"probabilities":{']
    for index, label in enumerate(classes):
        text = pa.array(np.ascontiguousarray(probabilities[:, index])).cast(pa.string())
        pieces += [f"{',' if index else ''}{json.dumps(label)}:", text]
    return bytes(pc.binary_join_element_wise(*pieces, "}}" + end, "").buffers()[2])


def _encode_csv(classes: Sequence[str], best: Any, probabilities: Any) -> bytes:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    columns = {"label": pa.DictionaryArray.from_arrays(pa.array(best), classes).cast(pa.string())}
    for index, label in enumerate(classes):
        columns[f"probability_{label}"] = pa.array(np.ascontiguousarray(probabilities[:, index]))
    sink = io.BytesIO()
    csv.write_csv(pa.table(columns), sink)
    return sink.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limits", description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=("singles", "table"))
    parser.add_argument("--form", choices=FORMS, default="csv")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--artefact", type=Path, required=True)
    parser.add_argument("--names", default="sepal_length,sepal_width,petal_length,petal_width")
    given = parser.parse_args()
    estimator = joblib.load(given.artefact)
    data, names = given.data.read_bytes(), given.names.split(",")
    if given.kind == "singles":
        entries: list[bytes] = msgspec.msgpack.decode(data, type=list[bytes])
        answer_singles(estimator, entries[: max(BLOCK_JOBS, int(len(entries) * WARMUP_SHARE))])
        work: Callable[[], int] = lambda: sum(map(len, answer_singles(estimator, entries)))  # noqa: E731
    else:
        answer_table(estimator, given.form, data, names)
        work = lambda: len(answer_table(estimator, given.form, data, names))  # noqa: E731
    begun, cpu_begun = time.perf_counter(), time.process_time()
    answer_bytes = work()
    seconds, cpu_seconds = time.perf_counter() - begun, time.process_time() - cpu_begun
    peak_mb = parse_sizes((PROC / "self" / "status").read_text())["VmHWM"]
    print(json.dumps(Limit(seconds, cpu_seconds, peak_mb, answer_bytes)._asdict()))


if __name__ == "__main__":
    main()
