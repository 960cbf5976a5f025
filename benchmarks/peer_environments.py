"""Other prediction servers to measure beside: where their virtual environments are, and how to get them."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-peers"
SOURCES = Path(__file__).resolve().parent / "peers"


def is_installed(environment: str) -> bool:
    """Tells whether `make bench-peers` has made this peer's environment."""
    return (ENVIRONMENTS / environment / ".installed").exists()


def describe_missing(name: str, environment: str) -> str:
    """Says in one line that a peer is left out, and how to get it."""
    return f"{name} is not installed and left out; `make bench-peers PEERS={environment}` installs it"


def find_program(environment: str, name: str) -> str:
    """Returns the path of a program in a peer's environment."""
    return str(ENVIRONMENTS / environment / "bin" / name)
