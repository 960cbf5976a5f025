"""What a version cannot answer is refused by name, before it is queued."""

import pytest
from flask.testing import FlaskClient

from gateway.answer_choice import check_choice
from rhizome.errors import InvalidRequest
from rhizome.jobs import Lane
from rhizome.registry import Registry
from rhizome.signature import Signature
from tests.support.queue import Queue
from tests.support.versions import IRIS_SAMPLE, build_manifest, iris_signature, line_signature

WITHOUT_PROBABILITIES = iris_signature().model_copy(update={"has_probabilities": False})


@pytest.mark.parametrize("returns", ["label", "probabilities", "both"])
def test_a_classifier_with_probabilities_gives_every_part(returns: str) -> None:
    check_choice(iris_signature(), returns, 0)


@pytest.mark.parametrize("returns", ["label", "probabilities", "both"])
def test_more_classes_than_there_are_is_no_fault(returns: str) -> None:
    check_choice(iris_signature(), returns, 1_000)


@pytest.mark.parametrize("signature", [WITHOUT_PROBABILITIES, line_signature()], ids=["classifier", "regressor"])
@pytest.mark.parametrize("returns", ["label", "both"])
def test_without_probabilities_the_rest_is_still_to_be_had(signature: Signature, returns: str) -> None:
    check_choice(signature, returns, 0)


@pytest.mark.parametrize("signature", [WITHOUT_PROBABILITIES, line_signature()], ids=["classifier", "regressor"])
@pytest.mark.parametrize(
    ("returns", "top_k", "fields"),
    [
        ("probabilities", 0, ["return"]),
        ("both", 1, ["top_k"]),
        ("label", 2, ["top_k"]),
        ("probabilities", 2, ["return", "top_k"]),
    ],
)
def test_probabilities_that_do_not_exist_are_refused_by_option_and_with_a_remedy(
    signature: Signature, returns: str, top_k: int, fields: list[str]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_choice(signature, returns, top_k)

    assert caught.value.code == "invalid_fields"
    assert [problem["field"] for problem in caught.value.problems] == fields
    assert all(problem["problem"] and problem["remedy"] for problem in caught.value.problems)


def test_the_choice_travels_to_the_worker(client: FlaskClient, queue: Queue) -> None:
    client.post("/predict?return=probabilities", json=IRIS_SAMPLE | {"top_k": 2})
    client.post("/predict/batch", json={"instances": [IRIS_SAMPLE], "return": "label"})

    (single,) = queue.scorer().claim()
    (chunk,) = queue.batch_scorer().claim()

    assert (single.request.returns, single.request.top_k) == ("probabilities", 2)
    assert (chunk.request.returns, chunk.request.top_k) == ("label", 0)


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_what_the_champion_cannot_give_is_not_queued(
    client: FlaskClient, registry: Registry, queue: Queue, path: str
) -> None:
    silent = build_manifest(version="20260101T000003Z-89abcdef", signature=WITHOUT_PROBABILITIES)
    registry.register(silent)

    sample = IRIS_SAMPLE if path == "/predict" else {"instances": [IRIS_SAMPLE]}
    refused = client.post(f"{path}?version={silent.version}&return=probabilities", json=sample)

    assert refused.status_code == 422
    (problem,) = refused.get_json()["errors"]
    assert problem["field"] == "return"
    assert queue.waiting(Lane.INTERACTIVE) + queue.waiting(Lane.BATCH) == 0
