"""What the running containers may do: as little as the compose file promises, asked of the kernel where it can tell."""

import json
from typing import Any

from tests.docker.client import SAMPLE, Client
from tests.docker.engine import Compose, docker, exec_in, inspect, service_of
from tests.docker.report import expect, note, wait_for

OURS = ("gateway", "worker", "batches", "trainer", "beat", "webhooks")
#: Settings that a container must not take from outside: they describe the image or the stack itself.
FIXED_SETTINGS = {"redis_url", "redis_fsync", "redis_maxmemory", "host", "port", "models_dir", "var_dir", "pulse_dir"}
HEAVY = ("sklearn", "numpy", "scipy", "pandas", "joblib", "celery")
_STATUS = "grep -HE '^(Name|Uid|CapEff|CapBnd|NoNewPrivs):' /proc/[0-9]*/status"


def check_containers(compose: Compose) -> None:
    """Every running container of the project."""
    for container in compose.containers():
        service = service_of(container)
        facts = inspect(container)
        _check_limits(service, facts)
        _check_processes(service, container)
        _check_disk(service, container)
        _check_ports(service, facts)
    note("no root, no capabilities, no new privileges, read-only root, limits set; Redis is not published")


def check_gateway_is_thin(compose: Compose) -> None:
    """No numerical library is in the gateway's image, importable or not."""
    container = compose.container("gateway")
    code = f"import importlib.util as u; print([n for n in {HEAVY!r} if u.find_spec(n)])"
    found = exec_in(container, "python", "-c", code).stdout.strip()
    expect(found == "[]", f"the gateway can import {found}")
    names = [word for name in HEAVY for word in ("-o", "-iname", f"{name}*")][1:]
    files = exec_in(container, "find", "/venv", "(", *names, ")").stdout.split()
    expect(not files, f"the gateway's image holds {files[:5]}")


def check_libraries_are_whole(compose: Compose) -> None:
    """What the image leaves out of the libraries is not missed: every estimator and every part of SciPy imports."""
    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "import importlib, numpy.testing, scipy, sklearn.datasets\n"
        "from sklearn.utils.discovery import all_estimators\n"
        "parts = [importlib.import_module('scipy.' + n) for n in scipy.__all__ if n.islower() and n != 'test'"
        " and hasattr(getattr(scipy, n, None), '__path__')]\n"
        "sklearn.datasets.load_iris()\n"
        "print(len(all_estimators()), len(parts))"
    )
    done = exec_in(compose.container("trainer"), "python", "-c", code)
    expect(done.returncode == 0, f"a library is not whole: {done.stderr[-500:]}")
    estimators, parts = done.stdout.split()
    note(f"{estimators} estimators and {parts} parts of SciPy import in the trainer's image")


def check_settings(compose: Compose) -> None:
    """Every setting of the product can be given to the stack."""
    code = "import json; from rhizome.settings import Settings; print(json.dumps(list(Settings.model_fields)))"
    known: set[str] = set(json.loads(exec_in(compose.container("gateway"), "python", "-c", code).stdout))
    services: dict[str, Any] = compose.config()["services"]
    passed = {name for service in services.values() for name in service.get("environment", {})}
    missing = sorted(name for name in known - FIXED_SETTINGS if f"RHIZOME_{name.upper()}" not in passed)
    expect(not missing, f"docker-compose.yml hands on to nobody: {missing}")


def check_networks(compose: Compose) -> None:
    """Only the gateway and the deliverer have a way out; nobody but the gateway a way in."""
    backend = json.loads(docker("network", "inspect", f"{compose.project}_backend"))[0]
    expect(backend["Internal"], "the network of Redis and the workers is not internal")
    for service in ("redis", "worker", "batches", "trainer", "beat"):
        networks = list(inspect(compose.container(service))["NetworkSettings"]["Networks"])
        expect(networks == [f"{compose.project}_backend"], f"{service} is in the networks {networks}")
    edge = json.loads(docker("network", "inspect", f"{compose.project}_edge"))[0]
    inside = [facts["Name"] for facts in edge["Containers"].values()]
    expect(inside == [compose.container("gateway")], f"the gateway's network holds {inside}")


def check_webhooks(client: Client) -> None:
    """The deliverer works, and does not let itself be sent to what only it can reach."""
    answer = client.call("POST", "/predict", SAMPLE | {"webhook": "http://redis:6379/"})
    expect(answer.status == 202, f"a submit with a webhook was answered {answer.status}: {answer.body}")
    path = f"/result/{answer.body['id']}/webhook"

    def is_settled() -> bool:
        deliveries = client.call("GET", path).body["deliveries"]
        return bool(deliveries) and deliveries[0]["state"] == "failed"

    wait_for(is_settled, 20, "the webhook's delivery was not settled")
    error = client.call("GET", path).body["deliveries"][0]["last_error"]
    expect(error == "forbidden_address", f"a webhook to the internal network ended with {error}")


def _check_limits(service: str, facts: dict[str, Any]) -> None:
    host = facts["HostConfig"]
    wanted = {
        "read-only root": host["ReadonlyRootfs"],
        "all capabilities dropped": host["CapDrop"] == ["ALL"] and not host["CapAdd"],
        "no-new-privileges": any(option.startswith("no-new-privileges") for option in host["SecurityOpt"] or ()),
        "not privileged": not host["Privileged"],
        "a memory limit": host["Memory"],
        "a limit of processes": host["PidsLimit"],
        "a restart policy": host["RestartPolicy"]["Name"] == "unless-stopped",
        "a healthcheck": facts["State"].get("Health"),
        "bounded logs": host["LogConfig"]["Config"].get("max-size"),
    }
    missing = [name for name, is_met in wanted.items() if not is_met]
    expect(not missing, f"{service} lacks: {', '.join(missing)}")


def _check_processes(service: str, container: str) -> None:
    """Asks the kernel, for every process of the container."""
    for pid, status in _read_status(container).items():
        who = f"{service}'s process {pid} ({status['Name']})"
        uids = set(status["Uid"].split())
        expect("0" not in uids, f"{who} runs as root")
        expect(service not in OURS or uids == {"10001"}, f"{who} runs as {uids}, not as mluser")
        expect(int(status["CapEff"], 16) == 0 == int(status["CapBnd"], 16), f"{who} has capabilities")
        expect(status["NoNewPrivs"] == "1", f"{who} may gain privileges")
    if service in OURS:
        name = exec_in(container, "id", "-un").stdout.strip()
        expect(name == "mluser", f"{service} runs as {name}")


def _read_status(container: str) -> dict[str, dict[str, str]]:
    processes: dict[str, dict[str, str]] = {}
    for line in exec_in(container, "sh", "-c", _STATUS).stdout.splitlines():
        path, name, value = line.split(":", 2)
        processes.setdefault(path.split("/")[2], {})[name] = value.strip()
    expect(len(processes) > 1, f"the processes of {container} cannot be seen")
    # the shell that looks, and grep, are processes too, and no different
    return processes


def _check_disk(service: str, container: str) -> None:
    closed = ["/written", "/usr/written"]
    if service in OURS:
        closed += ["/app/written", "/venv/written"]
    if service in ("worker", "batches"):
        closed.append("/app/models/written")
    for path in closed:
        done = exec_in(container, "touch", path)
        expect(done.returncode, f"{service} can write {path}")
    expect(exec_in(container, "touch", "/tmp/written").returncode == 0, f"{service} cannot write /tmp")


def _check_ports(service: str, facts: dict[str, Any]) -> None:
    ports = facts["NetworkSettings"]["Ports"] or {}
    published = [binding for bindings in ports.values() for binding in bindings or ()]
    if service == "gateway":
        addresses = {binding["HostIp"] for binding in published}
        expect(addresses == {"127.0.0.1"}, f"the gateway is published on {addresses}")
    else:
        expect(not published, f"{service} is published on the host: {published}")
