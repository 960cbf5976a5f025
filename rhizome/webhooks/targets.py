"""The URL of a webhook, taken apart and checked as far as that goes without DNS.

So it is refused at the submit where it can be told; what its name resolves to is checked at each attempt.
"""

import ipaddress
import re
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from rhizome.errors import InvalidRequest
from rhizome.webhooks.addresses import Address, Allowances

MAX_URL_CHARACTERS = 2048
#: Every URL of this form is accepted, `localhost` aside; so are some others, such as those with a public address.
USUAL_URL = r"^https?://([a-z0-9]{1,63}\.){1,3}[a-z]{2,63}(:(80|443|[2-9][0-9]{3}))?(/[A-Za-z0-9/._~%?&=+-]*)?$"
_PORTS = {"http": 80, "https": 443}
#: Ports below belong to other protocols (mail, for example), whose servers must not be sent anything from here.
_FIRST_FREE_PORT = 1024
#: Printable ASCII; a backslash is a slash to some parsers, and not to others.
_CHARACTERS = re.compile(r"[!-\[\]-~]+", re.ASCII)
_NAME = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?", re.ASCII)
#: A name whose last part is a number is read as an IPv4 address, in any of its historic forms (127.1, 0x7f000001).
_NUMERIC = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?", re.ASCII)


class Target(NamedTuple):
    """A receiver: a URL taken apart.

    Attributes:
        scheme: `http` or `https`.
        host: in lower case; an address in its usual form, IPv6 without brackets.
        port: 1 to 65535.
        path: path and query, as they are sent.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def receiver(self) -> str:
        """Names the receiver: URLs of one host share its bounds, whatever scheme and port. As `outbox.lua` has it."""
        return f"[{self.host}]" if ":" in self.host else self.host.removesuffix(".")

    @property
    def url(self) -> str:
        """The URL in its normal form."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_target(url: str, allowances: Allowances) -> Target:
    """Takes a URL apart and checks what can be told without DNS.

    Raises:
        InvalidRequest: it cannot be a receiver; names the field `webhook`, the problem and the remedy.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise _refusal("is too long", f"send at most {MAX_URL_CHARACTERS} characters")
    if not _CHARACTERS.fullmatch(url):
        raise _refusal("holds characters that no URL holds", "percent-encode them, and write other alphabets as xn--…")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refusal("is not a URL", "send one such as https://example.com/hooks") from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _refusal("is not an http or https URL", "send one such as https://example.com/hooks")
    if "@" in parts.netloc:
        raise _refusal("holds a user name or password", "remove it: the signature proves who sends")
    if "#" in url:
        raise _refusal("holds a fragment, which is never sent", "remove what begins with '#'")
    port = _PORTS[parts.scheme] if port is None else port
    if port not in _PORTS.values() and port < _FIRST_FREE_PORT:
        raise _refusal(f"names port {port}", f"use 80, 443, or one from {_FIRST_FREE_PORT} on")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, _check_host(parts.hostname, allowances), port, path)


def _check_host(host: str, allowances: Allowances) -> str:
    """The host; one that is an address in its usual form, so that one receiver has one name."""
    literal = address = _literal(host)
    if address is None and (not _NAME.fullmatch(host) or _NUMERIC.fullmatch(host)):
        raise _refusal("names no possible host", "send one such as https://example.com/hooks")
    is_local = host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")
    if address is None and is_local:
        address = ipaddress.IPv4Address("127.0.0.1")  # reserved for it (RFC 6761, section 6.3)
    if address is not None and not allowances.allow(host, address):
        raise _refusal(
            "names an address that is not public",
            "send a public one; an operator can allow others with RHIZOME_WEBHOOK_ALLOW_PRIVATE",
        )
    return str(literal) if literal else host


def _literal(host: str) -> Address | None:
    """The address that the host is, if it is one, as the resolver would read it."""
    if "%" in host:  # the zone of a link-local address
        return None
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    if not _NUMERIC.fullmatch(host):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


def _refusal(problem: str, remedy: str) -> InvalidRequest:
    return InvalidRequest(
        f"the webhook's URL {problem}; {remedy}",
        code="invalid_fields",
        problems=({"field": "webhook", "problem": problem, "remedy": remedy},),
    )
