"""The Open Inference Protocol through the whole service, spoken by Triton's own client."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.support.service import SAMPLE, Service

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [5.9, 2.8, 4.2, 1.3], [6.9, 3.1, 5.7, 2.3]])
CLASSES = ["setosa", "versicolor", "virginica"]


@pytest.fixture
def triton(service: Service) -> Iterator[InferenceServerClient]:
    client = InferenceServerClient(f"127.0.0.1:{service.port}", network_timeout=70, connection_timeout=10)
    yield client
    client.close()


def tensor(name: str, values: NDArray[Any]) -> InferInput:
    wanted = InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    wanted.set_data_from_numpy(values, binary_data=False)
    return wanted


def outputs(*names: str) -> list[InferRequestedOutput]:
    return [InferRequestedOutput(name, binary_data=False) for name in names]


def test_the_client_finds_server_and_model_live_and_ready(triton: InferenceServerClient, service: Service) -> None:
    version = service.champion()

    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("iris")
    assert triton.is_model_ready("iris", version)
    assert not triton.is_model_ready("tulip")
    assert triton.get_server_metadata()["name"] == "rhizome"
    metadata = triton.get_model_metadata("iris")
    assert version in metadata["versions"]
    assert [entry["name"] for entry in metadata["inputs"]] == list(SAMPLE)
    assert {entry["name"]: entry["shape"] for entry in metadata["outputs"]} == {"label": [-1], "probabilities": [-1, 3]}
    assert triton.get_model_metadata("iris", version)["inputs"] == metadata["inputs"]


@pytest.mark.parametrize("form", ["one tensor", "a tensor a feature"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_clients_answer_is_that_of_predict(
    triton: InferenceServerClient, service: Service, form: str, dtype: type
) -> None:
    rows = ROWS.astype(dtype)
    if form == "one tensor":
        inputs = [tensor("rows", rows)]
    else:
        inputs = [tensor(name, rows[:, [index]]) for index, name in reversed(list(enumerate(SAMPLE)))]

    result = triton.infer("iris", inputs, outputs=outputs("label", "probabilities"), request_id="r-7")

    samples = [dict(zip(SAMPLE, row, strict=True)) for row in rows.tolist()]
    answers = [service.http.post("/predict?wait=30", json=sample).json()["result"] for sample in samples]
    assert result.get_response()["id"] == "r-7"
    assert result.get_response()["model_version"] == service.champion()
    assert result.as_numpy("label").tolist() == [answer["label"] for answer in answers]
    expected = [[answer["probabilities"][label] for label in CLASSES] for answer in answers]
    assert result.as_numpy("probabilities") == pytest.approx(np.array(expected), rel=1e-12)


@pytest.mark.parametrize("count", [1, 256, 257, 2500])
def test_any_number_of_rows_is_answered_in_order(triton: InferenceServerClient, count: int) -> None:
    rows = np.tile(ROWS, (count // 3 + 1, 1))[:count]

    result = triton.infer("iris", [tensor("rows", rows)], outputs=outputs("label"))

    assert result.as_numpy("label").tolist() == (CLASSES * (count // 3 + 1))[:count]
    assert result.as_numpy("probabilities") is None


def test_a_client_that_names_no_outputs_gets_all(triton: InferenceServerClient) -> None:
    result = triton.infer("iris", [tensor("rows", ROWS)], priority=1, timeout=30_000_000)

    assert result.as_numpy("label").tolist() == CLASSES
    assert result.as_numpy("probabilities").shape == (3, 3)


def test_a_version_may_be_asked_for(triton: InferenceServerClient, service: Service) -> None:
    version = service.champion()

    result = triton.infer("iris", [tensor("rows", ROWS)], model_version=version, outputs=outputs("label"))

    assert result.get_response()["model_version"] == version


@pytest.mark.parametrize(
    ("model", "version", "name", "status", "words"),
    [
        ("tulip", "", "label", "404", "no model 'tulip'"),
        ("iris", "20200101T000000Z-00000000", "label", "404", "no version"),
        ("iris", "", "odds", "400", "outputs.odds"),
    ],
)
def test_the_client_understands_a_refusal(
    triton: InferenceServerClient, model: str, version: str, name: str, status: str, words: str
) -> None:
    with pytest.raises(InferenceServerException) as refusal:
        triton.infer(model, [tensor("rows", ROWS)], model_version=version, outputs=outputs(name))

    assert refusal.value.status() == status
    assert words in refusal.value.message()


def test_binary_tensors_are_refused_clearly(triton: InferenceServerClient) -> None:
    binary = InferInput("rows", [3, 4], "FP64")
    binary.set_data_from_numpy(ROWS, binary_data=True)

    with pytest.raises(InferenceServerException, match="binary_data false") as refusal:
        triton.infer("iris", [binary])

    assert refusal.value.status() == "400"
