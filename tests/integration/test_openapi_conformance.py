"""The running service does what its OpenAPI document says, whatever a property-based tester thinks of."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.service import ADMIN_KEY, Service

EXAMPLES = 13  #: generated per operation and phase
SECONDS = 300.0
#: Unknown headers and parameters are no mistake.
CONFIG = """
[generation]
allow-extra-parameters = false
"""
#: No JSON schema says that columns are of one length, or that a tensor's shape fits its data; nor that nothing is
#: answered within a tiny deadline, which is a 504 of the calls that wait by themselves.
CONFIG += "".join(
    f"""
[[operations]]
include-path-regex = "{path}$"
checks.positive_data_acceptance.expected-statuses = ["2xx", "4xx"{late}]
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx"{late}]
"""
    for path, late in (("/predict/batch", ""), ("/invocations", ', "504"'), ("/infer", ', "504"'))
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service of its own: it is retrained, promoted and rolled back in every order."""
    running = Service(tmp_path, max_wait_seconds=1, lease_seconds=2)
    running.start()
    yield running
    running.stop()


@pytest.mark.timeout(SECONDS + 120)
def test_no_request_gets_an_answer_that_the_document_does_not_describe(service: Service, tmp_path: Path) -> None:
    command = [
        Path(sys.executable).with_name("schemathesis"),
        "run",
        str(service.http.base_url.join("/openapi.json")),
        *("--checks", "all"),
        # `DELETE /result/{id}` cancels a job; its record says so for as long as others are kept.
        *("--exclude-checks", "use_after_free"),
        *("--max-examples", str(EXAMPLES)),
        *("--header", f"Authorization: Bearer {ADMIN_KEY}"),
        *("--request-timeout", "30"),
        "--generation-deterministic",
        "--no-color",
    ]

    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)

    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
