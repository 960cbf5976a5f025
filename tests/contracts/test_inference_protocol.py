"""The Open Inference Protocol's documents [1], with real estimators behind them; answers are those of `/predict`.

[1] https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier
from werkzeug.test import TestResponse

from rhizome.jobs import Lane
from rhizome.signature import Feature, Output, Signature
from tests.support.answering import answering
from tests.support.queue import Queue
from tests.support.versions import (
    IRIS_CLASSES,
    IRIS_FEATURES,
    IRIS_ROWS,
    LINE_ROWS,
    MIXED_ROWS,
    iris_data,
    iris_signature,
    line_estimator,
    line_signature,
    mixed_estimator,
    mixed_signature,
    write_iris,
    write_version,
)

INFER = "/v2/models/iris/infer"
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
NUMBERS = st.integers(-20, 30) | st.floats(-20, 30, allow_nan=False).map(lambda value: round(value, 3))


@pytest.fixture
def client(redis: Redis, redis_server: str, tmp_path: Path) -> Iterator[FlaskClient]:
    with answering(
        redis, redis_server, tmp_path, write_iris(tmp_path), micro_batch_rows=8, max_batch_rows=100
    ) as client:
        yield client


def table(rows: Sequence[Sequence[Any]], datatype: str = "FP64", **more: Any) -> dict[str, Any]:
    flat = [value for row in rows for value in row]
    return {"inputs": [{"name": "x", "shape": [len(rows), len(rows[0])], "datatype": datatype, "data": flat}]} | more


def tensors_of(response: TestResponse) -> dict[str, dict[str, Any]]:
    assert response.status_code == 200, response.text
    return {tensor["name"]: tensor for tensor in response.get_json()["outputs"]}


def assert_is_error(response: TestResponse, status: int, *words: str) -> None:
    assert (response.status_code, response.content_type) == (status, "application/json"), response.text
    document = response.get_json()
    assert list(document) == ["error"]
    for word in words:
        assert word in document["error"]


@SHARED
@given(
    rows=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=12),
    form=st.sampled_from(["one tensor", "nested", "features", "columns"]),
    order=st.permutations(range(4)),
)
def test_any_form_is_answered_as_predict_answers(
    client: FlaskClient, rows: list[tuple[float, ...]], form: str, order: list[int]
) -> None:
    n, body = len(rows), table(rows)
    if form == "nested":
        body["inputs"][0]["data"] = [list(row) for row in rows]
    elif form in ("features", "columns"):
        shape = [n] if form == "features" else [n, 1]
        body = {
            "inputs": [
                {"name": IRIS_FEATURES[i], "shape": shape, "datatype": "FP32", "data": [row[i] for row in rows]}
                for i in order
            ]
        }

    tensors = tensors_of(client.post(INFER, json=body))
    instances = [dict(zip(IRIS_FEATURES, row, strict=True)) for row in rows]
    answers = client.post("/predict/batch?wait=30", json={"instances": instances}).get_json()["results"]

    assert tensors["label"] == {
        "name": "label",
        "shape": [n],
        "datatype": "BYTES",
        "data": [answer["label"] for answer in answers],
    }
    assert (tensors["probabilities"]["shape"], tensors["probabilities"]["datatype"]) == ([n, 3], "FP64")
    expected = [answer["probabilities"][label] for answer in answers for label in IRIS_CLASSES]
    assert tensors["probabilities"]["data"] == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_the_answer_names_model_version_and_request(client: FlaskClient) -> None:
    document = client.post(INFER, json=table(IRIS_ROWS, id="r-1", outputs=[{"name": "label"}])).get_json()

    (version,) = client.get("/v2/models/iris").get_json()["versions"]
    assert (document["model_name"], document["model_version"], document["id"]) == ("iris", version, "r-1")
    assert [tensor["name"] for tensor in document["outputs"]] == ["label"]
    assert document["outputs"][0]["data"] == list(IRIS_CLASSES)


def test_outputs_come_in_the_order_they_are_asked_for(client: FlaskClient) -> None:
    outputs = [{"name": "probabilities"}, {"name": "label"}]

    document = client.post(INFER, json=table(IRIS_ROWS, outputs=outputs)).get_json()

    assert [tensor["name"] for tensor in document["outputs"]] == ["probabilities", "label"]


@pytest.mark.parametrize(
    ("rows", "kind", "lane"), [(1, "single", "interactive"), (8, "batch", "interactive"), (9, "batch", "batch")]
)
def test_small_requests_go_before_batches(client: FlaskClient, rows: int, kind: str, lane: str) -> None:
    response = client.post(INFER, json=table([IRIS_ROWS[0]] * rows), headers={"Prefer": "respond-async"})

    receipt = response.get_json()
    assert response.status_code == 202
    assert (receipt["kind"], receipt["lane"], receipt["rows"]) == (kind, lane, rows)
    assert response.headers["Location"] == receipt["urls"]["result"]
    assert response.headers["Preference-Applied"] == "respond-async"
    assert client.get(f"{receipt['urls']['result']}?wait=30").get_json()["status"] == "succeeded"


def test_the_metadata_declares_what_is_answered(client: FlaskClient) -> None:
    metadata = client.get("/v2/models/iris").get_json()

    assert (metadata["name"], metadata["platform"]) == ("iris", "sklearn")
    assert metadata["inputs"] == [{"name": name, "datatype": "FP64", "shape": [-1]} for name in IRIS_FEATURES]
    assert metadata["outputs"] == [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {
            "name": "probabilities",
            "datatype": "FP64",
            "shape": [-1, 3],
            "parameters": {"classes": list(IRIS_CLASSES)},
        },
    ]
    (version,) = metadata["versions"]
    assert client.get(f"/v2/models/iris/versions/{version}").get_json() == metadata


def test_server_and_model_tell_how_they_are(client: FlaskClient) -> None:
    (version,) = client.get("/v2/models/iris").get_json()["versions"]

    assert set(client.get("/v2").get_json()) == {"name", "version", "extensions"}
    assert client.get("/v2/health/live").get_json() == {"live": True}
    assert client.get("/v2/health/ready").get_json() == {"ready": True}
    for path in ("/v2/models/iris/ready", f"/v2/models/iris/versions/{version}/ready"):
        assert client.get(path).get_json() == {"name": "iris", "ready": True}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/v2/models/tulip", 404),
        ("get", "/v2/models/tulip/ready", 404),
        ("post", "/v2/models/tulip/infer", 404),
        ("get", "/v2/models/iris/versions/none", 404),
        ("get", "/v2/models/iris/versions/none/ready", 404),
        ("post", "/v2/models/iris/versions/none/infer", 404),
        ("get", "/v2/nothing", 404),
        ("get", INFER, 405),
    ],
)
def test_what_is_not_there_is_an_error_in_the_protocols_form(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    assert_is_error(client.open(path, method=method.upper(), json=table(IRIS_ROWS)), status)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"inputs": []}, ["inputs"]),
        ({"outputs": [{"name": "odds"}]}, ["outputs.odds", "label, probabilities"]),
        ({"outputs": [{"name": "label"}, {"name": "label"}]}, ["outputs.label", "twice"]),
        ({"parameters": {"priority": "high"}}, ["parameters.priority"]),
    ],
)
def test_a_bad_request_is_a_400_that_names_what_is_wrong(
    client: FlaskClient, queue_is_empty: Any, changes: dict[str, Any], words: list[str]
) -> None:
    assert_is_error(client.post(INFER, json=table(IRIS_ROWS) | changes), 400, *words)


@pytest.fixture
def queue_is_empty(redis: Redis) -> Iterator[None]:
    """What is refused leaves nothing in the queue."""
    yield
    queue = Queue(redis)
    assert [queue.waiting(lane) for lane in Lane] == [0, 0]


def test_a_version_that_is_not_there_is_a_404(client: FlaskClient) -> None:
    assert_is_error(client.post(INFER, json=table(IRIS_ROWS, parameters={"version": "none"})), 404, "version")


def test_a_bad_cell_is_named_by_row_and_feature(client: FlaskClient) -> None:
    rows = [list(row) for row in IRIS_ROWS]
    rows[1][2] = 99.0

    assert_is_error(client.post(INFER, json=table(rows)), 400, "inputs.1.petal_length is 99", "-20 to 30")


def test_many_problems_are_counted(client: FlaskClient) -> None:
    response = client.post(INFER, json=table([[99.0] * 4] * 10))

    assert_is_error(response, 400, "40 problem(s)", "and 30 more")


@pytest.mark.parametrize("content_type", ["", "application/octet-stream", "application/x-www-form-urlencoded"])
def test_json_is_taken_under_the_types_that_clients_send_it_as(client: FlaskClient, content_type: str) -> None:
    body = b'{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}'

    assert client.post(INFER, data=body, content_type=content_type).status_code == 200


def test_a_mixed_model_takes_categories_as_bytes(redis: Redis, redis_server: str, tmp_path: Path) -> None:
    written = write_version(tmp_path, mixed_estimator(), mixed_signature(), MIXED_ROWS)
    sizes, colours = (list(column) for column in zip(*MIXED_ROWS, strict=True))
    body = {
        "inputs": [
            {"name": "colour", "shape": [4], "datatype": "BYTES", "data": colours},
            {"name": "size", "shape": [4, 1], "datatype": "FP64", "data": sizes},
        ]
    }

    with answering(redis, redis_server, tmp_path, written) as client:
        inputs = client.get("/v2/models/iris").get_json()["inputs"]
        tensors = tensors_of(client.post(INFER, json=body))

    assert {entry["name"]: entry["datatype"] for entry in inputs} == {"size": "FP64", "colour": "BYTES"}
    assert tensors["label"]["data"] == ["cold", "cold", "warm", "warm"]


def test_a_regression_answers_values(redis: Redis, redis_server: str, tmp_path: Path) -> None:
    written = write_version(tmp_path, line_estimator(), line_signature(), LINE_ROWS)
    body = {"inputs": [{"name": "x", "shape": [3], "datatype": "INT32", "data": [1, 2, 3]}]}

    with answering(redis, redis_server, tmp_path, written) as client:
        outputs = client.get("/v2/models/iris").get_json()["outputs"]
        tensors = tensors_of(client.post(INFER, json=body))

    assert outputs == [{"name": "value", "datatype": "FP64", "shape": [-1]}]
    assert tensors["value"]["data"] == pytest.approx([3.0, 5.0, 7.0])


@pytest.mark.parametrize(
    ("classes", "datatype"),
    [((0, 1, 2), "INT64"), ((0.5, 1.5, 2.5), "FP64"), ((False, True), "BOOL")],
)
def test_labels_have_the_datatype_of_the_classes(
    redis: Redis, redis_server: str, tmp_path: Path, classes: tuple[Any, ...], datatype: str
) -> None:
    rows, labels = iris_data()
    codes = np.unique(labels, return_inverse=True)[1]
    wanted = np.array(classes)[np.minimum(codes, len(classes) - 1)]
    estimator: Any = LogisticRegression(max_iter=1000) if datatype != "FP64" else RidgeClassifier()
    if datatype == "FP64":
        wanted = codes.astype(float)
        classes = (0.0, 1.0, 2.0)
    signature = iris_signature(classes=classes).model_copy(update={"has_probabilities": datatype != "FP64"})
    written = write_version(tmp_path, estimator.fit(rows, wanted), signature, IRIS_ROWS)

    with answering(redis, redis_server, tmp_path, written) as client:
        declared = client.get("/v2/models/iris").get_json()["outputs"]
        tensors = tensors_of(client.post(INFER, json=table(IRIS_ROWS)))
        refusal = client.post("/invocations?return=probabilities", json={"inputs": [list(IRIS_ROWS[0])]})

    assert refusal.status_code == (422 if datatype == "FP64" else 200)
    assert tensors["label"]["datatype"] == declared[0]["datatype"] == datatype
    assert tensors["label"]["data"] == [classes[min(index, len(classes) - 1)] for index in range(3)]
    assert set(tensors) == {output["name"] for output in declared}
    assert ("probabilities" in tensors) == (datatype != "FP64")


def test_several_outputs_are_tensors_of_each_target(redis: Redis, redis_server: str, tmp_path: Path) -> None:
    rows, labels = iris_data()
    sizes = np.where(rows[:, 2] > 4, "large", "small")
    estimator = MultiOutputClassifier(LogisticRegression(max_iter=1000)).fit(rows, np.column_stack([labels, sizes]))
    signature = iris_signature().model_copy(
        update={
            "outputs": (Output(name="species", classes=IRIS_CLASSES), Output(name="size", classes=("large", "small")))
        }
    )
    written = write_version(tmp_path, estimator, signature, IRIS_ROWS)

    with answering(redis, redis_server, tmp_path, written) as client:
        declared = client.get("/v2/models/iris").get_json()["outputs"]
        tensors = tensors_of(client.post(INFER, json=table(IRIS_ROWS)))
        predictions = client.post("/invocations", json={"inputs": [list(row) for row in IRIS_ROWS]}).get_json()

    assert {output["name"]: output["shape"] for output in declared} == {
        "species.label": [-1],
        "species.probabilities": [-1, 3],
        "size.label": [-1],
        "size.probabilities": [-1, 2],
    }
    assert tensors["species.label"]["data"] == list(IRIS_CLASSES)
    assert tensors["size.probabilities"]["shape"] == [3, 2]
    assert predictions["predictions"][0] == {"species": "setosa", "size": "small"}


class Picky:
    """Stands for an estimator that cannot take some rows."""

    def predict(self, rows: Any) -> Any:
        if (np.asarray(rows) > 10).any():
            raise ValueError("too large for me")
        return np.asarray(rows)[:, 0] * 2.0


@pytest.mark.parametrize("bad", [[0], [1], [1, 3]])
@pytest.mark.parametrize("count", [1, 5, 60])
def test_rows_that_fail_fail_the_request_and_are_named(
    redis: Redis, redis_server: str, tmp_path: Path, count: int, bad: list[int]
) -> None:
    signature = Signature(
        features=(Feature(name="x", dtype="float64"),), task="regression", outputs=(Output(name="y"),)
    )
    written = write_version(tmp_path, Picky(), signature, ((1.0,),))
    failing = [index for index in bad if index < count] or [0]
    values = [50.0 if index in failing else 1.0 for index in range(count)]
    body = {"inputs": [{"name": "x", "shape": [count], "datatype": "FP64", "data": values}]}

    with answering(redis, redis_server, tmp_path, written) as client:
        tensors = client.post(INFER, json=body)
        invocation = client.post("/invocations", json={"inputs": {"x": values}})

    named = [f"rows.{index}" for index in failing]
    assert_is_error(tensors, 400, f"{len(failing)} of {count} row(s)", *named)
    assert (invocation.status_code, invocation.get_json()["code"]) == (422, "rows_failed")
    assert [problem["field"] for problem in invocation.get_json()["errors"]] == named
