"""The run from first to last; see `tests/docker/run`."""

import base64
import os
import re
import secrets
import signal
import socket
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path

from tests.docker import bombs, building, containment, hanging, images, surviving
from tests.docker.client import FINAL, SAMPLE, Client
from tests.docker.engine import Compose, choose_image, docker, find_missing
from tests.docker.report import Failed, expect, note, say, step, wait_for

SOURCE = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 1200  #: of the whole run
WORKERS = 3


def main() -> int:
    """Exit code 0 where everything held, or nothing could be run."""
    missing = find_missing()
    bases = {} if missing else {name: choose_image(name) for name in ("PYTHON_IMAGE", "REDIS_IMAGE")}
    missing = missing or next((f"no image for {name} can be had" for name, image in bases.items() if not image), "")
    if missing:
        is_required = os.environ.get("RHIZOME_DOCKER") == "required"
        say(f"tests/docker: {'FAILED' if is_required else 'SKIPPED'}: {missing}")
        return int(is_required)
    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, _give_up)
    signal.alarm(LIMIT_SECONDS)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rhizome-docker-") as folder:
        building.copy_source(SOURCE, Path(folder))
        is_well = _run(Path(folder), bases)
    say(f"tests/docker: {'passed' if is_well else 'FAILED'} in {time.monotonic() - begun:.0f} s")
    return int(not is_well)


def _run(folder: Path, bases: dict[str, str]) -> bool:
    name = f"rhizome-test-{os.getpid()}"
    admin_key, port = secrets.token_urlsafe(16), _find_free_port()
    environment = {
        **bases,
        "RHIZOME_TAG": name,
        "RHIZOME_PORT": str(port),
        "RHIZOME_ADMIN_KEY": admin_key,
        "RHIZOME_WEBHOOK_SECRET": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "RHIZOME_SIGNING_KEY": secrets.token_urlsafe(32),
        "RHIZOME_RETRAIN_CRON": "off",
        "RHIZOME_CODE_REVISION": name,
    }
    compose = Compose(folder, name, environment)
    try:
        _check_images(compose, bases, name)
        _check_service(compose, Client(port), admin_key, port)
        return True
    except Exception as error:
        say(f"FAILED: {error}" if isinstance(error, Failed) else f"FAILED:\n{traceback.format_exc()}")
        _show_logs(compose)
        return False
    finally:
        with suppress(Failed):
            compose("--profile", "*", "down", "--volumes", "--rmi", "all", "--remove-orphans", seconds=120)
        with suppress(Failed):  # what the second build took the name from
            docker("image", "prune", "--force", "--filter", f"label=org.opencontainers.image.revision={name}")


def _check_images(compose: Compose, bases: dict[str, str], tag: str) -> None:
    built = {service: f"rhizome-{service}:{tag}" for service in ("gateway", "worker", "trainer")}
    version = re.search(r'__version__ = "(.+)"', (compose.folder / "rhizome" / "__init__.py").read_text())
    note(f"base images: {', '.join(bases.values())}")
    with step("build"):
        building.check_context(building.build(compose))
        building.check_rebuild(compose)
    with step("images"):
        images.check_sizes(built, bases["PYTHON_IMAGE"])
        images.check_labels(built, version[1] if version else "", revision=tag)
        images.check_configuration(built)
        images.check_layers(built, bases["PYTHON_IMAGE"])


def _check_service(compose: Compose, client: Client, admin_key: str, port: int) -> None:
    with step("docker compose up --build --detach --wait"):
        compose.up("--build")
        expect(client.is_ready(), "all containers are healthy, but the service is not ready")
    with step("predict, poll, batch, health"):
        _check_answers(client)
    with step("scale to three workers"):
        compose.scale(WORKERS)
        client.await_version(WORKERS, seconds=30)
    with step("containment"):
        containment.check_containers(compose)
        containment.check_networks(compose)
        containment.check_webhooks(client)
        containment.check_settings(compose)
        containment.check_gateway_is_thin(compose)
        containment.check_libraries_are_whole(compose)
    with step("bombs"):
        bombs.check_bombs(compose, client, port)
    with step("retrain while running"):
        surviving.check_retraining(compose, client)
        surviving.check_requested_retraining(client, admin_key, WORKERS)
    with step("hanging processes"):
        hanging.check_hanging_processes(compose)
        hanging.check_hanging_redis(compose)
    with step("deaths under load"):
        surviving.check_deaths(compose, client)
    with step("draining"):
        surviving.check_draining(compose, client)
    with step("logs"):
        surviving.check_logs(compose)
    with step("stop and start again"):
        surviving.check_stop_and_start(compose, client)
        surviving.check_training_again(compose, client)
    with step("docker compose down"):
        compose("--profile", "*", "down", seconds=120)
        expect(not compose.containers(all_states=True), "docker compose down left containers")


def _check_answers(client: Client) -> None:
    accepted = client.predict()
    expect(accepted.status == 202, f"POST /predict was answered {accepted.status}: {accepted.body}")
    job_id = accepted.body["id"]
    wait_for(lambda: client.result(job_id)["status"] in FINAL, 10, "a prediction was not answered")
    job = client.result(job_id)
    expect(job["status"] == "succeeded" and job["result"]["label"] == "setosa", f"the prediction is {job}")
    answer = client.call("POST", "/predict/batch?wait=10", {"instances": [SAMPLE] * 1000}, timeout=20)
    expect(answer.status == 200 and answer.body["status"] == "succeeded", f"a batch was answered {answer.status}")
    report = client.health()
    expect(report["status"] == "ok", f"/health says {report['status']}: {report['problems']}")


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _show_logs(compose: Compose) -> None:
    with suppress(Failed):
        say(docker("ps", "--all", "--filter", f"label=com.docker.compose.project={compose.project}"))
        for line in compose("--profile", "*", "logs", "--tail", "15").splitlines():
            say(line[:300])


def _give_up(number: int, *_: object) -> None:
    raise Failed(f"the run was ended by {signal.Signals(number).name}; its limit is {LIMIT_SECONDS} s")


if __name__ == "__main__":
    sys.exit(main())
