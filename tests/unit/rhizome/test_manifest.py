"""Manifests: read strictly, signed whole, and never believed when a byte of them has changed."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rhizome.errors import ArtifactError, ArtifactTampered
from rhizome.manifest import MANIFEST_FILE, Golden, GoldenAnswers, Manifest, hash_file, load_manifest, parse_manifest
from rhizome.signature import Feature, Output, Signature
from tests.support.versions import SIGNING_KEY, build_manifest


def test_a_manifest_survives_a_round_through_json() -> None:
    manifest = build_manifest()

    assert parse_manifest(manifest.model_dump_json()) == manifest


def test_a_signed_manifest_is_believed_after_a_round_through_json() -> None:
    signature = Signature(
        features=(Feature(name="größe (cm)", dtype="float64", lower=-0.1, upper=1e300, example=1),),
        task="classification",
        outputs=(Output(name="t", classes=(True, False)),),
    )
    answers = GoldenAnswers(labels=(True, False, True), probabilities=((0.1, 0.9),) * 3)
    golden = Golden(rows=((1.0,), (2,), (None,)), outputs=(answers,))
    signed = build_manifest(signature=signature, golden=golden, metrics={"accuracy": 1 / 3}).signed(SIGNING_KEY)

    again = parse_manifest(signed.model_dump_json(indent=2))

    again.check_signature(SIGNING_KEY)
    assert again == signed


@pytest.mark.parametrize(
    "changes",
    [
        {"artifact_sha256": "ef" * 32},
        {"version": "20260101T000001Z-0123abcd"},
        {"name": "wine"},
        {"gate": {"passed": False}},
        {"metrics": {"accuracy": 0.98}},
        {"libraries": {}},
        {"seed": 43},
        {"golden": {"rows": [[1.0]], "outputs": [{"labels": ["virginica"], "probabilities": []}]}},
        {"reason": ""},
    ],
    ids=str,
)
def test_a_changed_field_breaks_the_signature(changes: dict[str, Any]) -> None:
    signed = build_manifest().signed(SIGNING_KEY)

    tampered = Manifest.model_validate(signed.model_dump() | changes)

    with pytest.raises(ArtifactTampered, match="does not match"):
        tampered.check_signature(SIGNING_KEY)


def test_a_foreign_key_is_refused() -> None:
    signed = build_manifest().signed(b"another key")

    with pytest.raises(ArtifactTampered, match="does not match"):
        signed.check_signature(SIGNING_KEY)


def test_an_unsigned_manifest_is_refused_where_a_key_is_set() -> None:
    with pytest.raises(ArtifactTampered, match="not signed"):
        build_manifest().check_signature(SIGNING_KEY)


def test_an_unknown_field_is_refused_by_name() -> None:
    document = json.loads(build_manifest().model_dump_json()) | {"surprise": 1}

    with pytest.raises(ArtifactError, match="surprise"):
        parse_manifest(json.dumps(document))


def test_an_unknown_field_deep_inside_is_refused_by_path() -> None:
    document = json.loads(build_manifest().model_dump_json())
    document["signature"]["features"][0]["surprise"] = 1

    with pytest.raises(ArtifactError, match=r"signature\.features\.0\.surprise"):
        parse_manifest(json.dumps(document))


@pytest.mark.parametrize("field", ["artifact_sha256", "signature", "golden", "version"])
def test_a_missing_field_is_named(field: str) -> None:
    document = json.loads(build_manifest().model_dump_json())
    del document[field]

    with pytest.raises(ArtifactError, match=field):
        parse_manifest(json.dumps(document))


def test_another_format_is_refused() -> None:
    document = json.loads(build_manifest().model_dump_json()) | {"format": 2}

    with pytest.raises(ArtifactError, match="format"):
        parse_manifest(json.dumps(document))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff", b"null"])
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(ArtifactError, match="unreadable manifest"):
        parse_manifest(text)


def test_a_missing_manifest_file_is_an_artifact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=MANIFEST_FILE):
        load_manifest(tmp_path)


def test_a_manifest_is_read_from_its_version_directory(tmp_path: Path) -> None:
    manifest = build_manifest()
    (tmp_path / MANIFEST_FILE).write_text(manifest.model_dump_json())

    assert load_manifest(tmp_path) == manifest


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 1024 * 1024 + 1])
def test_a_files_hash_is_its_sha256_whatever_its_size(tmp_path: Path, size: int) -> None:
    content = b"x" * size
    (tmp_path / "file").write_bytes(content)

    assert hash_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_what_an_earlier_release_signed_is_still_believed() -> None:
    manifest = build_manifest()
    content = manifest.model_dump(mode="json", exclude={"hmac_sha256", "range_margin", "estimator_sha256"})
    signature = hmac.new(SIGNING_KEY, msgspec.json.encode(content, order="sorted"), hashlib.sha256).hexdigest()

    earlier = parse_manifest(json.dumps(content | {"hmac_sha256": signature}))

    earlier.check_signature(SIGNING_KEY)
    with pytest.raises(ArtifactTampered):
        earlier.model_copy(update={"range_margin": 100.0}).check_signature(SIGNING_KEY)


def test_what_this_release_adds_is_signed_too() -> None:
    signed = (
        build_manifest().model_copy(update={"range_margin": 3.0, "estimator_sha256": "ab" * 32}).signed(SIGNING_KEY)
    )

    for name in ("range_margin", "estimator_sha256"):
        with pytest.raises(ArtifactTampered):
            signed.model_copy(update={name: None}).check_signature(SIGNING_KEY)
