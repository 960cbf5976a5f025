"""However many problems a request has, the work of naming them is bounded: the first are named, all are counted."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from gateway.complaints import MAX_PROBLEMS, Complaints
from gateway.inference_protocol.documents import choose_outputs
from gateway.inference_protocol.requests import MAX_TENSORS, InferInput, InferOutput, InferRequest
from gateway.inference_protocol.tensors import to_columns
from gateway.tabular_forms import read_table
from rhizome import wording
from rhizome.errors import InvalidRequest
from tests.support.versions import IRIS_FEATURES, build_manifest, iris_signature

SECONDS = 1.0  #: a tenth of it is usual; quadratic work on this many takes many times as long
MANIFEST = build_manifest()


def tensor(name: str, datatype: str = "FP64", data: Any = None) -> InferInput:
    return InferInput(name=name, shape=[len(data or [1.0])], datatype=datatype, data=data or [1.0])


def choose(names: list[str]) -> Any:
    asked = InferRequest.model_construct(outputs=[InferOutput(name=name) for name in names], inputs=[])
    return lambda: choose_outputs(asked, MANIFEST)


def name_inputs(names: list[str]) -> Any:
    inputs = [tensor(name) for name in names]
    return lambda: to_columns(inputs, iris_signature(), max_rows=10)


def fill_cells(value: Any, count: int) -> Any:
    inputs = [tensor(name, "INT8", [value] * count) for name in IRIS_FEATURES]
    return lambda: to_columns(inputs, iris_signature(), max_rows=count)


def name_columns(names: list[str]) -> Any:
    body = b'{"dataframe_split": {"columns": ["%s"], "data": []}}' % '","'.join(names).encode()
    return lambda: read_table(body, IRIS_FEATURES, max_rows=10)


@pytest.mark.parametrize(
    ("act", "count"),
    [
        (choose(["label"] * 100_000), 99_999),
        (choose([f"label{number}" for number in range(100_000)]), 100_000),
        (name_inputs([f"petal{number}" for number in range(MAX_TENSORS)]), MAX_TENSORS + 4),
        (fill_cells(1000, 100_000), 400_000),
        (name_columns([f"petal{number}" for number in range(100_000)]), 100_004),
    ],
    ids=["outputs twice", "unknown outputs", "unknown inputs", "bad cells", "unknown columns"],
)
def test_many_problems_are_counted_in_little_time(act: Callable[[], Any], count: int) -> None:
    began = time.process_time()
    with pytest.raises(InvalidRequest) as refusal:
        act()
    seconds = time.process_time() - began

    assert seconds < SECONDS
    assert len(refusal.value.problems) == MAX_PROBLEMS
    assert str(refusal.value).startswith(f"{count} problem(s)")
    assert all(problem["remedy"] for problem in refusal.value.problems)


def test_names_are_compared_only_for_problems_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr(wording, "get_close_matches", lambda name, *_, **__: compared.append(name) or [])

    with pytest.raises(InvalidRequest):
        name_inputs([f"petal{number}" for number in range(1000)])()

    assert len(compared) == MAX_PROBLEMS


def test_complaints_name_the_first_and_count_the_rest() -> None:
    found = Complaints()
    for index in range(MAX_PROBLEMS + 5):
        found.add(f"field{index}", "is wrong", "mend it")

    with pytest.raises(InvalidRequest, match="105 problem") as refusal:
        found.settle()

    assert [problem["field"] for problem in refusal.value.problems] == [f"field{i}" for i in range(MAX_PROBLEMS)]
    Complaints().settle()
