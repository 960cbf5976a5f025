"""The OpenAPI document: sound in itself, true to the routes, and its examples are accepted."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gateway.champion import Known
from gateway.openapi import build_openapi
from gateway.options import REMEDIES
from gateway.problems import CONTENT_TYPE, STATUS_OF_CODE
from gateway.validation import Validator
from tests.support.queue import Queue
from tests.support.versions import build_manifest, iris_signature, line_signature, mixed_signature

METHODS = {"get", "post", "put", "delete", "patch"}
UNDOCUMENTED = {"/", "/docs", "/docs/assets/{name}", "/openapi.json"}
SIGNATURES = {
    "numbers": iris_signature(),
    "mixed": mixed_signature(),
    "regression": line_signature(),
    "odd names": iris_signature(names=("petal length (cm)", "version", "größe")),
    "numeric classes": iris_signature(classes=(0, 1, 2)),
}


def document_for(name: str) -> dict[str, Any]:
    manifest = build_manifest(signature=SIGNATURES[name])
    document: dict[str, Any] = build_openapi(Known(manifest, Validator(manifest.signature)), max_rows=10)
    return document


@pytest.fixture(params=SIGNATURES)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return document_for(request.param)


def operations_of(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert method in METHODS
            yield path, method, operation


def references_in(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from references_in(value)


def test_the_document_has_its_required_parts(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    assert set(document["info"]["license"]) == {"name", "identifier"}
    json.dumps(document, allow_nan=False)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(references_in(document))

    assert "#/components/schemas/Problem" in references
    for reference in references:
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_component_has_a_permitted_name(document: dict[str, Any]) -> None:
    for kind in document["components"].values():
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in kind)


def test_every_operation_is_complete(document: dict[str, Any]) -> None:
    operations = list(operations_of(document))

    names = [operation["operationId"] for _, _, operation in operations]
    assert len(set(names)) == len(names)
    for _, _, operation in operations:
        assert operation["summary"]
        assert operation["responses"]
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d", status)
            assert response["description"]


def test_every_path_parameter_is_declared(document: dict[str, Any]) -> None:
    for path, _, operation in operations_of(document):
        declared = [parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"]
        assert sorted(declared) == sorted(re.findall(r"{(\w+)}", path))
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] in ("path", "query", "header")
            assert "schema" in parameter
            assert parameter["in"] != "path" or parameter["required"] is True


def test_every_error_is_a_problem_that_lists_its_codes(document: dict[str, Any]) -> None:
    for _, _, operation in operations_of(document):
        for status, response in operation["responses"].items():
            if CONTENT_TYPE in response.get("content", {}):
                codes = re.findall(r"\w+", response["description"].partition(":")[2])
                assert codes
                assert {STATUS_OF_CODE[code] for code in codes} == {int(status)}


def test_every_route_is_documented_and_nothing_else(app: Flask, document: dict[str, Any]) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule).replace("{job_id}", "{id}"), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    documented = {(path, method) for path, method, _ in operations_of(document)}

    assert documented == {route for route in routes if route[0] not in UNDOCUMENTED}


def test_only_the_admin_calls_ask_for_the_key(document: dict[str, Any]) -> None:
    secured = {path for path, _, operation in operations_of(document) if operation.get("security")}

    assert secured == {"/models/{version}/promote", "/models/rollback", "/retrain"}
    assert document["components"]["securitySchemes"]["adminKey"] == {"type": "http", "scheme": "bearer"}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_examples_pass_the_validator(name: str) -> None:
    validator = Validator(SIGNATURES[name])
    paths = document_for(name)["paths"]
    single, batch = (
        json.dumps(paths[path]["post"]["requestBody"]["content"]["application/json"]["example"]).encode()
        for path in ("/predict", "/predict/batch")
    )

    assert validator.parse_single(single).row_counts == [1]
    assert validator.parse_batch(batch, max_rows=10, chunk_rows=10).row_counts == [2]


def test_the_examples_are_accepted_by_the_service(client: FlaskClient, queue: Queue) -> None:
    paths = client.get("/openapi.json").get_json()["paths"]

    for path in ("/predict", "/predict/batch"):
        example = paths[path]["post"]["requestBody"]["content"]["application/json"]["example"]
        assert client.post(path, json=example).status_code == 202


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_sample_schema_names_the_features_by_their_own_names(name: str) -> None:
    signature = SIGNATURES[name]

    schema = document_for(name)["components"]["schemas"]["Sample"]

    assert set(signature.names) <= set(schema["properties"])
    assert set(schema["properties"]) - set(signature.names) <= set(REMEDIES) - {"error_threshold"}
    assert set(schema["required"]) == set(signature.names)
    assert schema["additionalProperties"] is False


def test_ranges_and_categories_are_in_the_schema() -> None:
    properties = document_for("mixed")["components"]["schemas"]["Sample"]["properties"]

    assert (properties["size"]["minimum"], properties["size"]["maximum"]) == (0.0, 100.0)
    assert properties["colour"]["enum"] == ["blue", "red"]


def test_the_docs_page_and_its_files_are_served_from_here(client: FlaskClient) -> None:
    page = client.get("/docs")

    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert sources
    for source in sources:
        assert client.get(source if source.startswith("/") else f"/docs/{source}").status_code == 200, source


def test_the_front_page_leads_to_the_docs(client: FlaskClient) -> None:
    response = client.get("/")

    assert response.status_code == 302
    assert response.headers["Location"] == "/docs"
