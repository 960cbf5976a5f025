"""From claimed entries to finished ones: the right version, the right rows, the right document."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from rhizome.job_queue.entries import Claimed, Finished
from rhizome.jobs import Encoding, State
from tests.support.estimators import refusing
from tests.support.versions import (
    IRIS_CLASSES,
    LINE_ROWS,
    MIXED_ROWS,
    SETOSA,
    VIRGINICA,
    iris_data,
    iris_estimator,
    line_estimator,
    line_signature,
    mixed_estimator,
    mixed_signature,
    write_iris,
    write_version,
)
from tests.unit.worker.conftest import Bench, BuildBench
from worker.failures import give_up

MARKER = -99.0


def claim(bench: Bench) -> list[Claimed]:
    return bench.claims.claim()


def documents_of(finished: list[Finished]) -> dict[str, dict[str, Any]]:
    return {item.claimed.request.job_id: json.loads(item.body) for item in finished}


def probabilities_of(document: dict[str, Any]) -> list[float]:
    return [document["result"]["probabilities"][label] for label in IRIS_CLASSES]


def test_jobs_answered_together_are_answered_as_if_alone(bench: Bench) -> None:
    rows = np.random.default_rng(42).permutation(iris_data()[0])[:60]
    ids = [bench.submit(tuple(row)) for row in rows.tolist()]
    claimed = claim(bench)

    together = documents_of(bench.scoring.score_singles(claimed))
    alone = {entry.request.job_id: documents_of(bench.scoring.score_singles([entry])) for entry in claimed}

    assert list(together) == ids
    for job_id in ids:
        assert together[job_id]["result"]["label"] == alone[job_id][job_id]["result"]["label"]
        np.testing.assert_allclose(
            probabilities_of(together[job_id]), probabilities_of(alone[job_id][job_id]), rtol=1e-9
        )


def test_a_document_says_who_answered_and_when(bench: Bench) -> None:
    champion = bench.shelf.champion
    assert champion is not None
    job_id = bench.submit(VIRGINICA, request_id="r-7")

    (finished,) = bench.scoring.score_singles(claim(bench))

    document = json.loads(finished.body)
    assert (finished.state, finished.failed_rows) == (State.SUCCEEDED, 0)
    assert (document["id"], document["status"], document["request_id"]) == (job_id, "succeeded", "r-7")
    assert (document["version"], document["artifact_sha256"]) == (champion.name, champion.manifest.artifact_sha256)
    assert document["result"]["label"] == "virginica"
    assert sum(document["result"]["probabilities"].values()) == pytest.approx(1.0)
    assert list(document["result"]["probabilities"]) == list(IRIS_CLASSES)
    assert set(document["timings"]) == {"queued_ms", "compute_ms", "total_ms"}
    assert min(document["timings"].values()) >= 0
    assert document["submitted_at"] <= document["finished_at"]


def test_the_champion_scores_whatever_version_validated_the_row(bench: Bench) -> None:
    job_id = bench.submit(version="20250101T000000Z-00000000")

    document = documents_of(bench.scoring.score_singles(claim(bench)))[job_id]

    assert bench.shelf.champion is not None
    assert document["version"] == bench.shelf.champion.name


def test_pinned_jobs_are_scored_by_their_versions_and_the_rest_by_the_champion(bench: Bench) -> None:
    assert bench.shelf.champion is not None
    champion = bench.shelf.champion.name
    other = write_iris(bench.models_dir, number=2, strength=0.01)
    pins = [None, other.version, champion, other.version, None]
    ids = [bench.submit(VIRGINICA, **({"version": pin, "pinned": True} if pin else {})) for pin in pins]

    documents = documents_of(bench.scoring.score_singles(claim(bench)))

    assert [documents[job_id]["version"] for job_id in ids] == [pin or champion for pin in pins]
    for job_id, pin in zip(ids, pins, strict=True):
        estimator = iris_estimator(0.01 if pin == other.version else 1.0)
        np.testing.assert_allclose(
            probabilities_of(documents[job_id]), estimator.predict_proba([VIRGINICA])[0], rtol=1e-6
        )


def test_jobs_of_another_signature_than_the_champions_keep_their_version(bench: Bench) -> None:
    line = write_version(bench.models_dir, line_estimator(), line_signature(), LINE_ROWS, number=2)
    mixed = write_version(bench.models_dir, mixed_estimator(), mixed_signature(), MIXED_ROWS, number=3)
    iris = bench.submit(SETOSA)
    value = bench.submit((10.0,), signature=line_signature().digest, version=line.version)
    kind = bench.submit(
        payload=msgspec.json.encode([[9.0, "red"]]),
        encoding=Encoding.JSON,
        signature=mixed_signature().digest,
        version=mixed.version,
    )

    documents = documents_of(bench.scoring.score_singles(claim(bench)))

    assert documents[iris]["result"]["label"] == "setosa"
    assert documents[value]["version"] == line.version
    assert documents[value]["result"] == {"value": pytest.approx(21.0)}
    assert documents[kind]["version"] == mixed.version
    assert documents[kind]["result"]["label"] == "warm"


def test_a_version_that_is_gone_fails_its_jobs_alone(bench: Bench, no_patience: None) -> None:
    sound = bench.submit()
    lost = bench.submit(version="20250101T000000Z-00000000", pinned=True)

    finished = bench.scoring.score_singles(claim(bench))

    documents = documents_of(finished)
    assert documents[sound]["status"] == "succeeded"
    assert documents[lost]["status"] == "failed"
    assert documents[lost]["error"]["code"] == "version_unavailable"
    assert (documents[lost]["version"], documents[lost]["artifact_sha256"]) == (None, None)
    assert "result" not in documents[lost]


def test_a_payload_that_cannot_be_read_fails_its_job_alone(bench: Bench) -> None:
    ids = [bench.submit(), bench.submit(payload=b"short"), bench.submit(VIRGINICA)]

    documents = documents_of(bench.scoring.score_singles(claim(bench)))

    assert [documents[job_id]["status"] for job_id in ids] == ["succeeded", "failed", "succeeded"]
    assert documents[ids[1]]["error"]["code"] == "unreadable_payload"
    assert documents[ids[2]]["result"]["label"] == "virginica"


def test_a_row_the_estimator_cannot_take_fails_its_job_alone(bench: Bench) -> None:
    estimator, _ = refusing(MARKER, ValueError("secret detail"))
    bench.serve_unsaved(estimator)
    ids = [bench.submit(), bench.submit((MARKER, 1.0, 1.0, 1.0)), bench.submit(VIRGINICA)]

    finished = bench.scoring.score_singles(claim(bench))

    documents = documents_of(finished)
    assert [item.state for item in finished] == [State.SUCCEEDED, State.FAILED, State.SUCCEEDED]
    assert documents[ids[1]]["error"]["code"] == "scoring_failed"
    assert b"secret" not in finished[1].body
    assert b"ValueError" not in finished[1].body


def test_a_given_up_job_fails_as_a_dead_letter_that_says_so(bench: Bench) -> None:
    job_id = bench.submit()
    (entry,) = claim(bench)

    finished = give_up(entry._replace(deliveries=6))

    document = json.loads(finished.body)
    assert (finished.state, finished.dead_reason) == (State.FAILED, "too many deliveries")
    assert (document["id"], document["status"], document["error"]["code"]) == (job_id, "failed", "gave_up")


def test_a_call_that_will_take_long_is_announced(build_bench: BuildBench) -> None:
    bench = build_bench(linger_seconds=5)
    bench.serve(write_iris(bench.models_dir))
    bench.learn_cost(milliseconds_per_row=1000.0)
    bench.claims.claim()
    bench.submit()
    assert bench.queue.bells() == 0

    bench.scoring.score_singles(bench.claims.listen())
    bench.submit()

    assert bench.queue.bells() == 1
