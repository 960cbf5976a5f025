"""What the images weigh and hold: sizes above the base, labels, and every file of every layer the project adds."""

import json
import re
import tarfile
import tempfile
from pathlib import Path
from typing import IO

from tests.docker.engine import docker, inspect
from tests.docker.report import Failed, expect, note

MEGABYTE = 1_000_000
#: Above the base image.
BUDGET_BYTES = {"gateway": 90 * MEGABYTE, "worker": 370 * MEGABYTE, "trainer": 350 * MEGABYTE}
LABELS = ("title", "description", "version", "revision", "licenses")
SAVE_SECONDS = 120.0

_UNWANTED = {
    "a compiler": re.compile(r"(^|/)bin/(.*-)?(gcc|g\+\+|cc|c\+\+|clang|ld|as|make|rustc|cargo)(-[\d.]+)?$"),
    "pip or its cache": re.compile(r"(^|/)\.cache/|^venv/.*/(pip|setuptools|wheel)/|(^|/)pip\.conf$"),
    "a secret": re.compile(
        r"(^|/)(\.env|\.netrc|\.pypirc|id_[a-z0-9]+|admin_key|webhook_secret|run\.json|.*\.(key|p12|pfx))$"
    ),
    "the repository": re.compile(r"^app/(\.git|\.venv|var|tests|models/.)"),
    "a package list": re.compile(r"^var/(lib/apt/lists|cache/apt)/.+"),
}
_SECRET_NAME = re.compile(r"KEY|SECRET|TOKEN|PASSWORD")
#: The official Python images name the release key they were checked with.
_PUBLIC_NAMES = ("GPG_KEY",)


def check_sizes(images: dict[str, str], base: str) -> None:
    """Prints and bounds what each image adds to its base."""
    base_bytes = inspect(base)["Size"]
    for service, image in images.items():
        added = inspect(image)["Size"] - base_bytes
        limit = BUDGET_BYTES[service]
        note(f"{service}: {added / MEGABYTE:.0f} MB above the base (at most {limit // MEGABYTE} MB)")
        expect(added <= limit, f"the {service} image has outgrown its budget")


def check_labels(images: dict[str, str], version: str, revision: str) -> None:
    """The OCI labels are there; the version is the code's, the revision what the builder was told."""
    for service, image in images.items():
        labels = inspect(image)["Config"]["Labels"] or {}
        missing = [name for name in LABELS if not labels.get(f"org.opencontainers.image.{name}")]
        expect(not missing, f"the {service} image lacks the labels {missing}")
        found = labels["org.opencontainers.image.version"]
        expect(found == version, f"the {service} image says version {found}, the code {version}")
        found = labels["org.opencontainers.image.revision"]
        expect(found == revision, f"the {service} image says revision {found}, not {revision}")


def check_configuration(images: dict[str, str]) -> None:
    """Nothing secret stands in an image's environment or history, and its user is not root."""
    for service, image in images.items():
        config = inspect(image)["Config"]
        names = [line.partition("=")[0] for line in config["Env"]]
        secret = [name for name in names if _SECRET_NAME.search(name) and name not in _PUBLIC_NAMES]
        expect(not secret, f"the {service} image's environment holds {secret}")
        expect(config["User"] == "10001:10001", f"the {service} image runs as {config['User']!r}")
        expect(config.get("Healthcheck"), f"the {service} image has no healthcheck")


def check_layers(images: dict[str, str], base: str) -> None:
    """No compiler, pip, cache or secret in any layer above the base, covered by a later one or not."""
    in_base = set(inspect(base)["RootFS"]["Layers"])
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder, "images.tar")
        docker("save", "--output", str(saved), *images.values(), seconds=SAVE_SECONDS)
        with tarfile.open(saved) as archive:
            layers = _find_layers(archive, in_base)
            files = 0
            for name, where in layers.items():
                names = _list_layer(archive, name)
                files += len(names)
                found = [(what, path) for path in names for what, sign in _UNWANTED.items() if sign.search(path)]
                expect(not found, f"a layer of {where} holds {found[:5]}")
    note(f"{files} files in {len(layers)} layers: no compiler, pip, cache or secret among them")


def _find_layers(archive: tarfile.TarFile, in_base: set[str]) -> dict[str, str]:
    """The layers above the base: their names in the archive, each with an image that has it."""
    layers = {}
    for image in json.load(_open(archive, "manifest.json")):
        digests = json.load(_open(archive, image["Config"]))["rootfs"]["diff_ids"]
        for name, digest in zip(image["Layers"], digests, strict=True):
            if digest not in in_base:
                layers[name] = image["RepoTags"][0]
    return layers


def _list_layer(archive: tarfile.TarFile, name: str) -> list[str]:
    with tarfile.open(fileobj=_open(archive, name)) as layer:
        return [member.name.removeprefix("./") for member in layer if not member.isdir()]


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        raise Failed(f"{name} is missing from the saved images")
    return file
