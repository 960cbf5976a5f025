"""What no request can carry is refused at once and by name; it is no outage."""

import time
from pathlib import Path
from typing import Any

import pytest

from rhizome.client import Client, InvalidInput
from rhizome.client.bodies import FileBody
from tests.support.scripted_server import ScriptedServer, says
from tests.unit.rhizome.client.conftest import Call

SAMPLE = {"size": 1.5}
HALF = "\ud800"


@pytest.mark.parametrize("key", ["", "schlüssel", "a\nb", "a\r\nx: y", " a", "a ", "x" * 256, HALF])
def test_a_key_that_the_service_would_refuse_is_not_sent(server: ScriptedServer, call: Call, key: str) -> None:
    with pytest.raises(InvalidInput, match="idempotency_key is not 1 to 255 printable ASCII characters"):
        call("submit", SAMPLE, idempotency_key=key)

    assert server.seen == []


def test_keys_of_one_and_of_255_characters_are_sent(server: ScriptedServer, call: Call) -> None:
    server.answers(says({"id": "a", "status": "queued"}, 202))

    for key in ("k", "k y", "x" * 255):
        call("submit", SAMPLE, idempotency_key=key)

    assert [seen.headers["idempotency-key"] for seen in server.seen] == ["k", "k y", "x" * 255]


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("submit", [SAMPLE], {"version": HALF}),
        ("submit", [{HALF: 1.5}], {}),
        ("submit", [{"size": HALF}], {}),
        ("submit_batch", [[{HALF: 1.5}]], {}),
        ("submit_batch", [[{"size": HALF}] * 10_001], {}),
        ("result", [HALF], {}),
        ("cancel", [HALF], {}),
        ("promote", [HALF], {}),
    ],
)
def test_half_a_character_is_refused_wherever_it_is(
    server: ScriptedServer, call: Call, name: str, arguments: list[Any], options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        call(name, *arguments, **options)

    assert caught.value.problems[0].remedy
    assert server.seen == []


@pytest.mark.parametrize("admin_key", ["schlüssel", "two\nlines"])
def test_an_admin_key_that_no_header_can_carry_is_refused_at_once(server: ScriptedServer, admin_key: str) -> None:
    begun = time.monotonic()

    with Client(server.url, admin_key=admin_key) as client, pytest.raises(InvalidInput, match="cannot be sent"):
        client.retrain()

    assert time.monotonic() - begun < 5
    assert server.seen == []


@pytest.mark.parametrize("content", ["size\n1.5\n2.5\n", "size\n"], ids=["grows", "shrinks"])
def test_a_file_that_changes_while_it_is_sent_is_refused_at_once(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("size\n1.5\n")
    body = FileBody(path)
    path.write_text(content)

    with pytest.raises(InvalidInput, match="changed while it was sent"):
        list(body.blocks())
