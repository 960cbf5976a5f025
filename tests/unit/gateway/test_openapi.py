"""The OpenAPI document: sound in itself, true to the routes, and its examples are accepted."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema_rs import Draft202012Validator

from gateway.champion import Known
from gateway.openapi import build_openapi
from gateway.options import REMEDIES
from gateway.problems import CONTENT_TYPE, STATUS_OF_CODE
from gateway.validation import Validator
from rhizome.registry import Registry
from rhizome.signature import Output
from tests.support.queue import Queue
from tests.support.versions import build_manifest, iris_signature, line_signature, mixed_signature
from tests.unit.gateway.conftest import BuildApp

FLAGS = {"purge", "force"}
METHODS = {"get", "post", "put", "delete", "patch"}
UNDOCUMENTED = {"/", "/docs", "/docs/assets/{name}", "/openapi.json"}
SIGNATURES = {
    "numbers": iris_signature(),
    "mixed": mixed_signature(),
    "regression": line_signature(),
    "odd names": iris_signature(names=("petal length (cm)", "version", "größe")),
    "numeric classes": iris_signature(classes=(0, 1, 2)),
    "several outputs": iris_signature().model_copy(
        update={"outputs": (Output(name="species", classes=("a", "b")), Output(name="size", classes=(0, 1)))}
    ),
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
    single = json.dumps(content_of(paths, "/predict")["example"]).encode()

    assert validator.parse_single(single).row_counts == [1]
    for path in ("/predict/batch", "/invocations"):
        for example in content_of(paths, path)["examples"].values():
            body = json.dumps(example["value"]).encode()
            assert validator.parse_batch(body, max_rows=10, chunk_rows=10).row_counts == [2]


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_csv_of_invocations_is_of_its_schema_and_passes_the_validator(name: str) -> None:
    bodies = document_for(name)["paths"]["/invocations"]["post"]["requestBody"]["content"]
    content = bodies["text/csv"]

    assert list(bodies) == ["application/json", "text/csv"]
    assert re.search(content["schema"]["pattern"], content["example"])
    parsed = Validator(SIGNATURES[name]).parse_csv(content["example"].encode(), max_rows=10, chunk_rows=10)
    assert parsed.row_counts == [1]


def content_of(paths: dict[str, Any], path: str) -> dict[str, Any]:
    content: dict[str, Any] = paths[path]["post"]["requestBody"]["content"]["application/json"]
    return content


def test_the_examples_are_accepted_by_the_service(client: FlaskClient, queue: Queue) -> None:
    paths = client.get("/openapi.json").get_json()["paths"]

    assert client.post("/predict", json=content_of(paths, "/predict")["example"]).status_code == 202
    for example in content_of(paths, "/predict/batch")["examples"].values():
        assert client.post("/predict/batch", json=example["value"]).status_code == 202


def contents_of(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything that is sent and answered, by where it stands in the document."""
    for path, method, operation in operations_of(document):
        bodies = {"body": operation["requestBody"]} if "requestBody" in operation else {}
        for place, described in (bodies | operation["responses"]).items():
            for kind, content in described.get("content", {}).items():
                yield f"{method} {path} {place} {kind}", content


def test_every_content_has_examples_that_fit_its_schema(document: dict[str, Any]) -> None:
    for place, content in contents_of(document):
        if content["schema"].get("format") == "binary" or "body application/x-ndjson" in place:
            continue
        examples = [each["value"] for each in content["examples"].values()] if "examples" in content else []
        examples += [content["example"]] if "example" in content else []
        assert examples, place
        schema = content["schema"] | {"components": document["components"]}
        for example in examples:
            assert [error.message for error in Draft202012Validator(schema).iter_errors(example)] == [], place


@pytest.mark.parametrize(
    "path", ["/health", "/readyz", "/livez", "/models", "/v2", "/v2/models/{model}", "/v2/health/ready"]
)
def test_what_the_service_says_of_itself_fits_its_schema(client: FlaskClient, path: str) -> None:
    document = client.get("/openapi.json").get_json()

    response = client.get(path.format(model="iris"))

    content = document["paths"][path]["get"]["responses"][str(response.status_code)]["content"]["application/json"]
    schema = content["schema"] | {"components": document["components"]}
    assert [error.message for error in Draft202012Validator(schema).iter_errors(response.get_json())] == []
    if path in ("/health", "/models"):
        assert set(response.get_json()) == set(content["example"])


def test_every_problem_is_shown_as_the_service_words_it(document: dict[str, Any]) -> None:
    for place, content in contents_of(document):
        if CONTENT_TYPE in place:
            example = content["example"]
            assert STATUS_OF_CODE[example["code"]] == example["status"] == int(place.split()[2])


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/invocations", "/v2/models/{model}/infer"])
def test_what_a_submit_with_a_webhook_may_be_refused_with_is_described(
    build_app: BuildApp, registry: Registry, path: str
) -> None:
    client = build_app(webhook_secret=None).test_client()
    described = client.get("/openapi.json").get_json()["paths"][path]["post"]
    content = described["requestBody"]["content"]["application/json"]
    body = content["example"] if "example" in content else content["examples"]["instances"]["value"]

    response = client.post(f"{path.format(model='iris')}?webhook=https://example.com/hook", json=body)

    assert response.status_code == 403
    assert {"403", "410"} <= set(described["responses"])


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_sample_schema_names_the_features_by_their_own_names(name: str) -> None:
    signature = SIGNATURES[name]

    schema = document_for(name)["components"]["schemas"]["Sample"]

    assert set(signature.names) <= set(schema["properties"])
    assert set(schema["properties"]) - set(signature.names) <= set(REMEDIES) - {"error_threshold"}
    assert set(schema["required"]) == set(signature.names)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("path", ["/predict", "/predict/batch"])
def test_the_priority_says_that_a_batch_has_none(path: str) -> None:
    described = {
        each["name"]: each["description"] for each in document_for("numbers")["paths"][path]["post"]["parameters"]
    }

    assert "of no effect on a batch" in described["priority"]
    assert "`priority`" in described["X-Priority"]


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


def test_flags_of_the_query_string_are_booleans() -> None:
    paths: dict[str, dict[str, Any]] = document_for("numbers")["paths"]
    parameters = [
        parameter
        for path in paths.values()
        for method, operation in path.items()
        if method in METHODS
        for parameter in operation.get("parameters", ())
    ]

    flags = {parameter["name"]: parameter["schema"] for parameter in parameters if parameter.get("name") in FLAGS}

    assert flags == {name: {"type": "boolean", "default": False} for name in FLAGS}
