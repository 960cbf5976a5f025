"""What the client promises its callers, and what it assumes of the gateway."""

import inspect
from typing import Any

import msgspec
import pytest

import rhizome.client
from gateway.options import REMEDIES
from gateway.problems import STATUS_OF_CODE
from rhizome.client import AsyncClient, Client, UnexpectedAnswer, errors
from rhizome.client.calls import Calls
from rhizome.client.options import BatchOptions, Options, split_options
from rhizome.client.retries import error_of
from rhizome.client.steps import Reply

METHODS = {
    "cancel",
    "download",
    "health",
    "models",
    "predict",
    "predict_batch",
    "promote",
    "purge",
    "redeliver",
    "result",
    "retrain",
    "rollback",
    "rows",
    "stream",
    "submit",
    "submit_batch",
    "wait",
    "wait_batch",
}


def public_names(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_both_clients_have_every_call() -> None:
    assert public_names(Calls) == METHODS
    assert public_names(Client) - {"close"} == METHODS
    assert public_names(AsyncClient) - {"aclose"} == METHODS


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_method_reads_like_its_call(client: type, name: str) -> None:
    method, call = getattr(client, name), getattr(Calls, name)

    signature = inspect.signature(method)

    assert method.__doc__ == call.__doc__
    assert signature.parameters == inspect.signature(call).parameters
    assert "Generator" not in str(signature.return_annotation)


def test_every_error_is_exported_and_stands_in_the_tree() -> None:
    names = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}

    assert names <= set(rhizome.client.__all__)
    assert errors.__doc__ is not None
    assert [name for name in names if name not in errors.__doc__] == []


def test_every_code_of_the_gateway_has_an_error_of_its_kind() -> None:
    for code, status in STATUS_OF_CODE.items():
        error = error_of(Reply(status, {}, msgspec.json.encode({"code": code, "detail": "d"})))

        assert error.code == code
        assert isinstance(error, UnexpectedAnswer) == (status == 500), code


def test_every_option_of_the_gateway_can_be_given() -> None:
    given: dict[str, Any] = dict.fromkeys([*Options.__annotations__, *BatchOptions.__annotations__], 1)

    params, headers = split_options(given, BatchOptions)

    assert set(params) == set(REMEDIES)
    assert set(headers) == {"Idempotency-Key"}
