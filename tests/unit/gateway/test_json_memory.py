"""JSON is decoded within a budget: what would exceed it is refused, what does not fit for now is told to come again."""

import io
import json
import os
import resource
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from gateway import json_memory
from gateway.inference_protocol.requests import InferRequest
from gateway.inference_protocol.tensors import to_columns
from gateway.json_memory import LIGHT_BYTES, JsonMemory, weigh, weigh_csv
from gateway.validation import Validator
from rhizome.errors import InvalidRequest, TooManyWaiters
from rhizome.settings import Settings
from tests.support.signatures import numbers_signature
from tests.support.versions import iris_signature
from tests.unit.gateway.conftest import BuildApp, service_of

MOST = 16 * 1024 * 1024
BODY_BYTES = 2_000_000
#: What a body of little text and many values is made of, again and again.
UNITS = [b"{},", b"[],", b"1,", b"1.5,", b'"ab",', b'{"":1},', b'{"a":1,"b":2},', b"[1],", b"null,", b"[[[[1]]]],"]
FORMS = {
    "batch": (b'{"instances":[', b"]}"),
    "sample": (b'{"sepal_length":[', b"]}"),
    "tensor": (b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[', b"]}]}"),
    "strays": (b'{"inputs":[{"data":[', b"]}]}"),
}
_PEAK_RESET = Path("/proc/self/clear_refs")
PATHS = ["/predict", "/predict/batch", "/invocations", "/v2/models/iris/infer"]


def fill(form: str, unit: bytes, size: int = BODY_BYTES) -> bytes:
    head, tail = FORMS[form]
    return head + unit * (size // len(unit)) + unit.rstrip(b",") + tail


def memory_of(act: Callable[[], Any]) -> int:
    """Bytes that a call takes at its peak, in a process of its own."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        resource.setrlimit(resource.RLIMIT_AS, (4 * 1024**3,) * 2)
        _PEAK_RESET.write_text("5")
        before = _peak()
        try:
            act()
        except InvalidRequest:
            pass
        finally:
            os.write(writing, b"%d" % (_peak() - before))
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        return int(answer.read())


def _peak() -> int:
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.skipif(not _PEAK_RESET.exists(), reason="needs Linux")
@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("form", FORMS)
def test_no_body_takes_much_more_than_it_weighs(form: str, unit: bytes) -> None:
    validator, body = Validator(iris_signature()), fill(form, unit)
    acts: dict[str, Callable[[], Any]] = {
        "batch": lambda: validator.parse_batch(body, max_rows=10_000, chunk_rows=1_000),
        "sample": lambda: validator.parse_single(body),
        "tensor": lambda: InferRequest.model_validate(json.loads(body)),
    }

    taken = memory_of(acts.get(form, acts["batch"]))

    assert taken < 1.5 * weigh(body, is_close=True) + 8 * 1024 * 1024


ROWS, WIDTH = 10_000, 190
NUMBERS = numbers_signature(WIDTH)


def wide_body(form: str, number: bytes) -> bytes:
    """As many rows as a request may have, of so many numbers that it is not much smaller than a body may be."""
    row = b",".join([number] * WIDTH)
    rows = b",".join([b"[" + row + b"]"] * ROWS)
    if form == "csv":
        return ",".join(NUMBERS.names).encode() + (b"\n" + row) * ROWS
    if form == "columns":
        column = b":[" + b",".join([number] * ROWS) + b"]"
        return b'{"inputs":{' + b",".join(b'"%s"' % name.encode() + column for name in NUMBERS.names) + b"}}"
    if form == "tensor":
        data = b",".join([row] * ROWS)
        return b'{"inputs":[{"name":"x","shape":[%d,%d],"datatype":"FP64","data":[%s]}]}' % (ROWS, WIDTH, data)
    return b'{"instances":[' + rows + b"]}"


def read_wide(form: str, body: bytes) -> int:
    """Reads it as the routes do; the number of its rows."""
    validator = Validator(NUMBERS)
    if form == "csv":
        return sum(validator.parse_csv(body, max_rows=ROWS, chunk_rows=1_000).row_counts)
    if form != "tensor":
        return sum(validator.parse_batch(body, max_rows=ROWS, chunk_rows=1_000).row_counts)
    asked = InferRequest.model_validate(json.loads(body))
    columns = to_columns(asked.inputs, NUMBERS, max_rows=ROWS)
    asked.inputs.clear()
    return sum(validator.cut(validator.columns.to_rows(columns, "inputs"), 1_000, {}).row_counts)


@pytest.mark.skipif(not _PEAK_RESET.exists(), reason="needs Linux")
@pytest.mark.parametrize(
    ("form", "number"),
    [(form, number) for form in ("rows", "columns", "tensor", "csv") for number in (b"0.1", b"300")]
    + [("csv", b"-.1"), ("csv", b"1e3")],
)
def test_what_the_bounds_of_a_request_allow_fits_unless_set_otherwise(form: str, number: bytes) -> None:
    settings, body = Settings(), wide_body(form, number)
    assert len(body) < settings.max_body_bytes

    with JsonMemory(settings.json_memory_bytes).decoding(body, is_csv=form == "csv"):
        taken = memory_of(lambda: read_wide(form, body))

    assert read_wide(form, body) == ROWS
    assert taken < 1.25 * settings.json_memory_bytes


@pytest.mark.skipif(not _PEAK_RESET.exists(), reason="needs Linux")
@pytest.mark.parametrize("cells", [b"10,", b"abcd,", b"..,", b"\n10,", b'"",', b"1\n"])
def test_no_csv_takes_much_more_than_it_weighs(cells: bytes) -> None:
    body = b"sepal_length,sepal_width,petal_length,petal_width\n" + cells * (BODY_BYTES // len(cells))

    taken = memory_of(lambda: Validator(iris_signature()).parse_csv(body, max_rows=10_000, chunk_rows=1_000))

    assert taken < 1.5 * weigh_csv(body) + 8 * 1024 * 1024


def test_csv_that_never_fits_is_refused_in_its_own_words(build_app: BuildApp, registry: object) -> None:
    client = build_app(json_memory_bytes=MOST).test_client()

    response = client.post("/invocations", data=b"a,b\n" + b"x,y\n" * 500_000, content_type="text/csv")

    assert response.status_code == 413
    detail = response.get_json()["detail"]
    assert "so many cells" in detail
    assert "the file to POST /predict/batch" in detail
    assert "JSON" not in detail.replace("RHIZOME_JSON_MEMORY_BYTES", "")


def test_a_body_that_never_fits_is_refused_with_the_setting() -> None:
    with (
        pytest.raises(InvalidRequest, match="RHIZOME_JSON_MEMORY_BYTES") as refused,
        JsonMemory(MOST).decoding(fill("batch", b"{},")),
    ):
        pass

    assert refused.value.code == "body_too_large"


def test_signs_in_texts_weigh_nothing() -> None:
    body = json.dumps({"instances": ['{[,{[,"\\' * 100_000]}).encode()
    assert weigh(body) > MOST

    with JsonMemory(MOST).decoding(body):
        pass


def test_what_does_not_fit_beside_others_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_memory, "TURN_SECONDS", 0.01)
    memory, body = JsonMemory(MOST), fill("batch", b"1,", 300_000)
    assert weigh(body) > MOST / 3

    with ExitStack() as held:
        held.enter_context(memory.decoding(body))
        held.enter_context(memory.decoding(body))
        with pytest.raises(TooManyWaiters), memory.decoding(body):
            pass
        with memory.decoding(b"{}"):
            pass
    with memory.decoding(body):
        pass


def test_bodies_that_are_kept_have_room_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_memory, "TURN_SECONDS", 0.01)
    memory = JsonMemory(MOST)

    with memory.keeping(MOST), memory.decoding(fill("batch", b"1,", 200_000)):  # noqa: SIM117
        with pytest.raises(TooManyWaiters), memory.keeping(LIGHT_BYTES):
            pass


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("unit", [b"{},", b"[[[["])
def test_every_call_refuses_what_never_fits(build_app: BuildApp, registry: object, path: str, unit: bytes) -> None:
    client = build_app(json_memory_bytes=MOST).test_client()
    form = "tensor" if "infer" in path else "batch"

    response = client.post(path, data=fill(form, unit, 1_000_000), content_type="application/json")

    assert response.status_code == 413
    assert "RHIZOME_JSON_MEMORY_BYTES" in response.get_data(as_text=True)


@pytest.mark.parametrize("path", PATHS)
def test_the_room_is_there_again_after_each_request(build_app: BuildApp, registry: object, path: str) -> None:
    client = build_app(json_memory_bytes=MOST).test_client()
    body = fill("tensor" if "infer" in path else "batch", b"null,", 1_000_000)

    for _ in range(5):
        assert client.post(path, data=body, content_type="application/json").status_code in (400, 413, 422)


@pytest.mark.parametrize(("size", "status"), [(1_000, 422), (2 * LIGHT_BYTES, 503)])
def test_a_body_whose_length_is_not_said_takes_the_room_it_has(
    build_app: BuildApp, registry: object, monkeypatch: pytest.MonkeyPatch, size: int, status: int
) -> None:
    monkeypatch.setattr(json_memory, "TURN_SECONDS", 0.01)
    app = build_app(json_memory_bytes=MOST)
    body = io.BytesIO(b'{"instances": [' + b" " * size + b"]}")
    sent = {"wsgi.input_terminated": True, "CONTENT_TYPE": "application/json"}

    with service_of(app).json_memory.keeping(MOST):
        response = app.test_client().post("/predict/batch", input_stream=body, environ_overrides=sent)

    assert response.status_code == status


def test_a_body_in_order_is_accepted(client: FlaskClient) -> None:
    row = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}

    assert client.post("/predict/batch", json={"instances": [row] * 10_000}).status_code == 202


def test_a_wide_row_of_strays_is_counted_and_not_named() -> None:
    validator = Validator(iris_signature())
    strays = {str(number): 1 for number in range(30_000)}

    with pytest.raises(InvalidRequest) as refused:
        validator.parse_batch(json.dumps({"instances": [{}, strays]}).encode(), max_rows=10, chunk_rows=10)
    with pytest.raises(InvalidRequest) as sample:
        validator.parse_single(json.dumps(strays).encode())

    assert refused.value.problems[0]["field"] == "instances.1"
    assert refused.value.problems[0]["problem"] == "holds 30000 fields"
    assert sample.value.problems[0]["field"] == "body"
