"""Other outputs than one label, through the whole service: a value, several labels, and the part that was asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.datasets import CUSTOMER, write_customers, write_houses
from tests.support.service import SAMPLE, Service
from tests.support.training import promote_another

HOUSE = {"area": 100.0, "rooms": 3}
PRICE = 1000 * 100 + 5000 * 3


def run(folder: Path, **settings: object) -> Iterator[Service]:
    service = Service(folder, retrain_cron="off", **settings)
    service.start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def house_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that predicts one quantity, at first by a random forest."""
    folder = tmp_path_factory.mktemp("houses")
    dataset = write_houses(folder / "houses.csv")
    yield from run(folder, dataset=dataset, target="price", estimator="trainer.estimators:random_forest")


@pytest.fixture(scope="module", params=["random_forest", "ridge"])
def houses(request: pytest.FixtureRequest, house_service: Service) -> Service:
    """The service with a champion of this estimator."""
    estimator = f"trainer.estimators:{request.param}"
    if request.param == "ridge":  # by the gate: it is the better one
        dataset = house_service.folder / "houses.csv"
        promote_another(house_service, dataset=dataset, target="price", estimator=estimator)
    versions = {version["version"]: version for version in house_service.http.get("/models").json()["versions"]}
    assert versions[house_service.champion()]["estimator"] == estimator
    return house_service


@pytest.fixture(scope="module")
def customers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that predicts two labels."""
    folder = tmp_path_factory.mktemp("customers")
    yield from run(folder, dataset=write_customers(folder / "customers.csv"), target="churned,tier")


def predict(service: Service, sample: dict[str, Any], **options: Any) -> dict[str, Any]:
    response = service.http.post("/predict", json=sample, params={"wait": 30} | options)
    assert response.status_code == 200, response.text
    return dict(response.json()["result"])


def predict_batch(service: Service, samples: list[dict[str, Any]], **options: Any) -> list[dict[str, Any]]:
    response = service.http.post("/predict/batch", json={"instances": samples}, params=options)
    assert response.status_code == 202, response.text
    return list(service.result(response.json()["id"])["results"])


def test_a_quantity_is_answered_as_a_value(houses: Service) -> None:
    assert predict(houses, HOUSE) == {"value": pytest.approx(PRICE, rel=0.1)}


def test_a_batch_of_quantities_equals_the_single_answers(houses: Service) -> None:
    samples = [HOUSE | {"area": 40.0 + step} for step in range(37)]

    answers = predict_batch(houses, samples)

    assert answers == [predict(houses, sample) for sample in samples]


@pytest.mark.parametrize(("name", "value"), [("return", "probabilities"), ("top_k", 2)])
def test_probabilities_of_a_quantity_are_refused(houses: Service, name: str, value: object) -> None:
    response = houses.http.post("/predict", json=HOUSE, params={name: str(value)})

    assert response.status_code == 422
    (problem,) = response.json()["errors"]
    assert problem["field"] == name
    assert "leave it out" in problem["remedy"]


def test_the_documentation_shows_the_value(houses: Service) -> None:
    document = houses.http.get("/openapi.json").json()

    assert document["components"]["schemas"]["Job"]["properties"]["result"]["properties"] == {
        "value": {"type": "number"}
    }


def test_several_labels_are_answered_by_name(customers: Service) -> None:
    answer = predict(customers, CUSTOMER)

    churned, tier = answer["outputs"]["churned"], answer["outputs"]["tier"]
    assert (churned["label"], tier["label"]) == ("yes", "3")
    assert list(churned["probabilities"]) == ["no", "yes"]
    assert list(tier["probabilities"]) == ["1", "2", "3"]
    assert sum(tier["probabilities"].values()) == pytest.approx(1.0)


def test_the_part_that_was_asked_for_is_cut_from_every_output(customers: Service) -> None:
    full = predict(customers, CUSTOMER)["outputs"]

    labels = predict(customers, CUSTOMER, **{"return": "label"})["outputs"]
    best = predict(customers, CUSTOMER, **{"return": "probabilities", "top_k": 1})["outputs"]

    assert labels == {name: {"label": full[name]["label"]} for name in full}
    assert best == {
        "churned": {"probabilities": {"yes": full["churned"]["probabilities"]["yes"]}},
        "tier": {"probabilities": {"3": full["tier"]["probabilities"]["3"]}},
    }


def test_a_batch_of_several_labels_equals_the_single_answers(customers: Service) -> None:
    samples = [CUSTOMER | {"age": 20.0 + step, "visits": step / 5} for step in range(40)]

    answers = predict_batch(customers, samples)

    assert answers == [predict(customers, sample) for sample in samples]


def test_the_documentation_shows_every_output(customers: Service) -> None:
    document = customers.http.get("/openapi.json").json()

    result = document["components"]["schemas"]["Job"]["properties"]["result"]
    assert set(result["properties"]["outputs"]["properties"]) == {"churned", "tier"}
    assert "churned, tier" in document["info"]["description"]


def test_a_sample_may_say_what_it_wants_in_its_body(service: Service) -> None:
    answer = predict(service, SAMPLE | {"return": "probabilities", "top_k": 2})

    probabilities = list(answer["probabilities"].values())
    assert list(answer) == ["probabilities"]
    assert len(probabilities) == 2
    assert probabilities[0] > probabilities[1]


def test_a_batch_answers_as_its_jobs_do(service: Service) -> None:
    samples = [SAMPLE | {"petal_length": 1.0 + step / 10} for step in range(50)]

    answers = predict_batch(service, samples)

    assert answers == [predict(service, sample) for sample in samples]
