"""What happens to accepted jobs when containers die, drain, or the whole stack is stopped."""

import json
import subprocess
import threading
import time

from tests.docker.client import FINAL, SAMPLE, Client
from tests.docker.engine import Compose, exec_in, health, inspect
from tests.docker.load import Load
from tests.docker.report import Failed, expect, note, wait_for

RETRAIN_SECONDS = 120.0
CONVERGE_SECONDS = 15.0
RESTART_SECONDS = 60.0
STOP_SECONDS = 90.0
#: PID 1 is the init process, which a signal from inside cannot kill; its child is the service.
_KILL = "kill -KILL $(cat /proc/1/task/1/children)"
_BATCH_ROWS = 10_000
_WAITING_JOBS = 50


def check_retraining(compose: Compose, client: Client) -> None:
    """`docker compose up --build training` under load: exit 0, and the same worker processes answer with the result."""
    former = client.served_version()
    before = {name: inspect(name)["State"] for name in compose.containers("worker")}
    pids = _worker_pids(client)
    with Load(client) as load:
        load.wait_for_more(50)
        said = compose("up", "--build", "training", seconds=RETRAIN_SECONDS)
        expect("exited with code 0" in said, f"the training did not end with 0:\n{said[-1500:]}")
        begun = time.monotonic()
        version = client.await_version(len(before), CONVERGE_SECONDS, other_than=former)
        seconds = time.monotonic() - begun
        load.wait_for_more(50)
    versions = load.check()
    expect(set(versions) == {former, version}, f"answers came from {versions}")
    after = {name: inspect(name)["State"] for name in compose.containers("worker")}
    expect(
        all(after[name]["StartedAt"] == state["StartedAt"] for name, state in before.items()),
        "a worker container was restarted for the new version",
    )
    expect(_worker_pids(client) == pids, "a worker process was replaced for the new version")
    exit_code = inspect(compose.container("training"))["State"]["ExitCode"]
    expect(exit_code == 0, f"the training service ended with {exit_code}")
    note(f"{len(before)} workers took {version} {seconds:.1f} s after; {versions} answers, none failed")


def check_requested_retraining(client: Client, admin_key: str, containers: int) -> None:
    """`POST /retrain` reaches the trainer container, and the workers follow it."""
    former = client.served_version()
    refused = client.call("POST", "/retrain", headers={"Authorization": "Bearer wrong"})
    expect(refused.status in (401, 403), f"a wrong admin key was answered {refused.status}")
    answer = client.call("POST", "/retrain?force=true", headers={"Authorization": f"Bearer {admin_key}"})
    expect(answer.status == 202, f"POST /retrain was answered {answer.status}: {answer.body}")
    client.await_version(containers, RETRAIN_SECONDS, other_than=former)


def check_deaths(compose: Compose, client: Client) -> None:
    """A worker, Redis and the gateway are killed under load, one after the other, and come back by themselves."""
    with Load(client) as load:
        for service in ("worker", "redis", "gateway"):
            load.wait_for_more(50)
            container = compose.containers(service)[0]
            count = inspect(container)["RestartCount"]
            exec_in(container, "sh", "-c", _KILL)
            wait_for(
                lambda container=container, count=count: inspect(container)["RestartCount"] > count,
                RESTART_SECONDS,
                f"{container} was killed and not started again",
            )
            seconds = wait_for(
                lambda container=container: health(container) == "healthy",
                RESTART_SECONDS,
                f"{container} did not come back",
            )
            wait_for(client.is_ready, RESTART_SECONDS, f"the service is not ready after the death of {container}")
            note(f"{container} killed, healthy again after {seconds:.0f} s")
        load.wait_for_more(50)
    versions = load.check()
    note(f"{sum(versions.values())} jobs accepted, all answered; {load.refused} requests refused meanwhile")


def check_draining(compose: Compose, client: Client) -> None:
    """SIGTERM under load: workers finish what they hold, and the gateway its requests, within their grace periods."""
    rows = [SAMPLE] * _BATCH_ROWS
    with Load(client) as load:
        load.wait_for_more(50)
        batches = [client.call("POST", "/predict/batch", {"instances": rows}).body["id"] for _ in range(5)]
        seconds = _stop(compose, "worker")
        note(f"workers drained in {seconds:.1f} s")
        held = {lane: _pending(compose, lane) for lane in ("interactive", "batch")}
        expect(not any(held.values()), f"the workers ended and left jobs in flight: {held}")
        held_request = _HeldRequest(client)
        seconds = _stop(compose, "gateway")
        answer = held_request.answer()
        expect(answer in (200, 202), f"a request in flight was answered {answer} when the gateway stopped")
        note(f"the gateway drained in {seconds:.1f} s and answered the request it held")
    compose.up("--no-recreate")
    load.check()
    for job_id in batches:
        wait_for(lambda job_id=job_id: client.result(job_id)["status"] in FINAL, 30, "a batch was not answered")
        status = client.result(job_id)["status"]
        expect(status == "succeeded", f"a batch ended as {status}")


def check_stop_and_start(compose: Compose, client: Client) -> None:
    """Versions, results and waiting jobs outlive a stop of everything, and a `docker compose down`."""
    version = client.served_version()
    done = client.predict(wait=5).body
    for restart in (_stop_and_start, _down_and_up):
        _stop(compose, "worker")
        waiting = [client.predict().body["id"] for _ in range(_WAITING_JOBS)]
        seconds = restart(compose, client)
        expect(client.served_version() == version, "another version is served after a restart of everything")
        expect(client.result(done["id"]) == done, "a result is gone after a restart of everything")
        wait_for(
            lambda waiting=waiting: all(client.result(job_id)["status"] == "succeeded" for job_id in waiting),
            RESTART_SECONDS,
            "waiting jobs were not answered after a restart of everything",
        )
        note(f"{restart.__name__.strip('_').replace('_', ' ')}: {len(waiting)} waiting jobs answered ({seconds:.1f} s)")


def check_training_again(compose: Compose, client: Client) -> None:
    """The training service works a second time, after its networks went and came back."""
    former = client.served_version()
    said = compose("up", "--build", "training", seconds=RETRAIN_SECONDS)
    expect("exited with code 0" in said, f"the training did not end with 0:\n{said[-1500:]}")
    client.await_version(len(compose.containers("worker")), CONVERGE_SECONDS, other_than=former)


def check_logs(compose: Compose) -> None:
    """Every line that our processes wrote so far, deaths included, is a JSON object."""
    lines = 0
    for service in ("gateway", "worker", "batches", "trainer", "beat", "webhooks", "first-training", "training"):
        for container in compose.containers(service, all_states=True):
            for line in _read_log(container):
                lines += 1
                try:
                    is_object = isinstance(json.loads(line), dict)
                except ValueError:
                    is_object = False
                expect(is_object, f"{container} wrote a line that is no JSON object: {line[:300]}")
    note(f"{lines} lines of log, all JSON")


def _read_log(container: str) -> list[str]:
    done = subprocess.run(
        ["docker", "logs", container], capture_output=True, text=True, errors="replace", timeout=30, check=True
    )
    return [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]


class _HeldRequest:
    """A request that waits for an answer while its gateway is being stopped."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._status: int | str = "not at all"
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()
        time.sleep(1.0)  # it must have arrived; nothing outside can tell

    def answer(self) -> int | str:
        self._thread.join(timeout=30)
        return self._status

    def _send(self) -> None:
        try:
            self._status = self._client.predict(wait=4, timeout=20).status
        except OSError as error:
            self._status = f"with {type(error).__name__}: {error}"


def _worker_pids(client: Client) -> set[tuple[str, int]]:
    return {(worker["host"], worker["pid"]) for worker in client.workers()}


def _pending(compose: Compose, lane: str) -> int:
    """Entries that a scorer has claimed and not finished."""
    command = ("redis-cli", "XPENDING", f"rhizome:lane:{lane}", "scorers")
    done = exec_in(compose.container("redis"), *command)
    try:
        return int(done.stdout.split()[0])
    except (IndexError, ValueError):
        raise Failed(f"the {lane} lane cannot be looked at: {done.stdout}{done.stderr}") from None


def _stop(compose: Compose, service: str) -> float:
    """`docker compose stop`; the service must end by itself."""
    containers = compose.containers(service)
    begun = time.monotonic()
    compose("stop", service, seconds=STOP_SECONDS)
    seconds = time.monotonic() - begun
    for container in containers:
        code = inspect(container)["State"]["ExitCode"]
        expect(code == 0, f"{container} ended with {code} (137 is a kill after the grace period)")
    return seconds


def _stop_and_start(compose: Compose, client: Client) -> float:
    trained_at = inspect(compose.container("training"))["State"]["FinishedAt"]
    compose("stop", seconds=STOP_SECONDS)
    begun = time.monotonic()
    compose("start", seconds=RESTART_SECONDS)
    wait_for(client.is_ready, RESTART_SECONDS, "the service is not ready after stop and start")
    seconds = time.monotonic() - begun
    for container in compose.containers():
        wait_for(
            lambda container=container: health(container) == "healthy", RESTART_SECONDS, f"{container} did not start"
        )
    again = inspect(compose.container("training"))["State"]["FinishedAt"]
    expect(again == trained_at, "docker compose start ran the training service again")
    return seconds


def _down_and_up(compose: Compose, client: Client) -> float:
    compose("down", seconds=STOP_SECONDS)
    begun = time.monotonic()
    compose.up()
    wait_for(client.is_ready, RESTART_SECONDS, "the service is not ready after down and up")
    return time.monotonic() - begun
