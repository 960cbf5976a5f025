"""Which URLs are taken for a webhook, without asking DNS."""

import pytest
from hypothesis import given, settings
from hypothesis.strategies import from_regex

from rhizome.errors import InvalidRequest
from rhizome.webhooks.addresses import parse_allowances
from rhizome.webhooks.targets import MAX_URL_CHARACTERS, USUAL_URL, parse_target

NOBODY, EVERYBODY = parse_allowances("false"), parse_allowances("true")


@pytest.mark.parametrize(
    ("url", "normal", "authority"),
    [
        ("https://example.com", "https://example.com/", "example.com"),
        ("HTTPS://Example.COM/Hooks?a=B", "https://example.com/Hooks?a=B", "example.com"),
        ("http://example.com:80/", "http://example.com/", "example.com"),
        ("https://example.com:8443/x", "https://example.com:8443/x", "example.com:8443"),
        ("http://example.com:443/x", "http://example.com:443/x", "example.com:443"),
        ("https://8.8.8.8/x", "https://8.8.8.8/x", "8.8.8.8"),
        (
            "https://[2606:4700:4700::1111]:8443/x",
            "https://[2606:4700:4700::1111]:8443/x",
            "[2606:4700:4700::1111]:8443",
        ),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("https://my_service.example./", "https://my_service.example./", "my_service.example."),
        ("https://example.com?x=1", "https://example.com/?x=1", "example.com"),
    ],
)
def test_a_sound_url_is_brought_into_its_normal_form(url: str, normal: str, authority: str) -> None:
    target = parse_target(url, NOBODY)

    assert (target.url, target.authority) == (normal, authority)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hooks",
        "//example.com/hooks",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com:6379/_x",
        "https://",
        "https:///path",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com/#fragment",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\r\nX-Injected: 1",
        "https://example.com/a b",
        "https://exa\tmple.com/",
        "https://bücher.example/",
        "https://example.com:0/",
        "https://example.com:25/",
        "https://example.com:22/",
        "https://example.com:65536/",
        "https://example.com:port/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://exa%6dple.com/",
        "https://.example.com/",
        "https://-example.com/",
        "https://example..com/",
        f"https://example.com/{'x' * MAX_URL_CHARACTERS}",
    ],
)
def test_what_is_no_receiver_is_refused_whatever_is_excepted(url: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse_target(url, EVERYBODY)

    assert refusal.value.code == "invalid_fields"
    (problem,) = refusal.value.problems
    assert problem["field"] == "webhook"
    assert problem["problem"]
    assert problem["remedy"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.0.0.1:6379/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://0/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://redis.localhost:6379/",
    ],
)
def test_an_address_that_is_not_public_is_refused_unless_excepted(url: str) -> None:
    with pytest.raises(InvalidRequest, match="not public"):
        parse_target(url, NOBODY)

    assert parse_target(url, EVERYBODY).scheme == "http"


@settings(max_examples=200, deadline=None)
@given(from_regex(USUAL_URL, fullmatch=True))
def test_what_the_interface_calls_usual_is_accepted(url: str) -> None:
    if len(url) <= MAX_URL_CHARACTERS and "localhost" not in url:
        assert parse_target(url.removesuffix("\n"), NOBODY).url


ONE_HOST = [
    "https://example.com/a",
    "http://example.com/",
    "https://example.com:8443/b?c",
    "https://EXAMPLE.com.:9000/",
]
ONE_ADDRESS = ["http://127.0.0.1/", "http://127.1:8080/", "http://2130706433/", "http://0x7f.1./"]
ONE_V6 = ["http://[::1]/", "https://[0:0:0:0:0:0:0:1]:8443/"]


@pytest.mark.parametrize(
    ("urls", "receiver"), [(ONE_HOST, "example.com"), (ONE_ADDRESS, "127.0.0.1"), (ONE_V6, "[::1]")]
)
def test_urls_of_one_host_name_one_receiver(urls: list[str], receiver: str) -> None:
    targets = [parse_target(url, EVERYBODY) for url in urls]

    assert {target.receiver for target in targets} == {receiver}
