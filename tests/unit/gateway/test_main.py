"""The entry of the gateway: it takes its settings from the environment alone."""

import os
import subprocess
import sys


def test_an_argument_is_refused_in_one_line() -> None:
    command = [sys.executable, "-m", "gateway", "--port", "9000"]
    environment = os.environ | {"RHIZOME_PORT": "none"}  # unusable: nothing would be started in any case

    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == ["rhizome: the gateway takes no arguments, but was given '--port 9000'"]
