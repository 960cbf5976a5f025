"""Each job gets the part of the answer it asked for, whatever the jobs that share its micro-batch asked for."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier

from rhizome.job_queue.entries import Claimed
from rhizome.jobs import Lane, Returns
from rhizome.signature import Signature
from tests.support.estimators import watched
from tests.support.queue import build_request, pack_rows
from tests.support.signatures import numbers_signature
from tests.support.versions import IRIS_CLASSES, build_manifest, golden_of, iris_data, iris_estimator, iris_signature
from tests.unit.worker.conftest import Bench
from worker.shelf import LoadedVersion

ROWS, LABELS = iris_data()
SIZES = np.where(ROWS[:, 0] > 5.8, "large", "small")
TWO_OUTPUTS = numbers_signature(4, IRIS_CLASSES, ("large", "small"))
TWO_VALUES = numbers_signature(4).model_copy(update={"outputs": numbers_signature(4, (), ()).outputs})


class Wish(NamedTuple):
    row: int
    returns: Returns
    top_k: int


ESTIMATORS: dict[str, tuple[Any, Signature]] = {
    "labels follow from probabilities": (iris_estimator(), iris_signature()),
    "labels do not follow": (KNeighborsClassifier(7, weights="distance").fit(ROWS, LABELS), iris_signature()),
    "no probabilities": (RidgeClassifier().fit(ROWS, LABELS), iris_signature()),
    "ties": (KNeighborsClassifier(2).fit(ROWS, LABELS), iris_signature()),
    "two outputs": (
        RandomForestClassifier(5, random_state=0).fit(ROWS, np.column_stack([LABELS, SIZES])),
        TWO_OUTPUTS,
    ),
    "two estimators": (
        MultiOutputClassifier(LogisticRegression(max_iter=300)).fit(ROWS, np.column_stack([LABELS, SIZES])),
        TWO_OUTPUTS,
    ),
    "two values": (LinearRegression().fit(ROWS, ROWS[:, :2] * [2.0, 3.0]), TWO_VALUES),
}
WISHES = st.lists(
    st.builds(Wish, st.integers(0, 149), st.sampled_from(list(Returns)), st.integers(0, 4)), min_size=1, max_size=40
)


def serve(bench: Bench, estimator: Any, signature: Signature) -> LoadedVersion:
    golden = golden_of(estimator, signature, ROWS[:3].tolist())
    bench.shelf.champion = LoadedVersion(build_manifest(signature=signature, golden=golden), estimator)
    return bench.shelf.champion


def claimed_of(version: LoadedVersion, wishes: Sequence[Wish]) -> list[Claimed]:
    return [
        Claimed(
            Lane.INTERACTIVE,
            f"1-{number}".encode(),
            build_request(
                f"job-{number}",
                payload=pack_rows([ROWS[wish.row].tolist()]),
                signature=version.signature.digest,
                version=version.name,
                returns=wish.returns.value,
                top_k=wish.top_k,
            ),
        )
        for number, wish in enumerate(wishes)
    ]


def results_of(bench: Bench, claimed: list[Claimed]) -> dict[str, dict[str, Any]]:
    finished = bench.scoring.score_singles(claimed)
    return {item.claimed.request.job_id: json.loads(item.body)["result"] for item in finished}


def cut(full: dict[str, Any], wish: Wish) -> dict[str, Any]:
    """What `wish` leaves of a full answer."""
    if "outputs" in full:
        return {"outputs": {name: cut(answer, wish) for name, answer in full["outputs"].items()}}
    if "probabilities" not in full:
        return full
    found = full["probabilities"]
    names = sorted(found, key=lambda name: -found[name])[: wish.top_k] if wish.top_k else list(found)
    answer = {"label": full["label"], "probabilities": {name: found[name] for name in names}}
    if wish.returns is not Returns.BOTH:
        del answer["probabilities" if wish.returns is Returns.LABEL else "label"]
    return answer


@pytest.mark.parametrize("kind", ESTIMATORS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wishes=WISHES)
def test_a_mixed_micro_batch_answers_each_job_as_it_asked(bench: Bench, kind: str, wishes: list[Wish]) -> None:
    version = serve(bench, *ESTIMATORS[kind])
    claimed = claimed_of(version, wishes)

    answers = results_of(bench, claimed)

    for entry, wish in zip(claimed, wishes, strict=True):
        (full,) = results_of(bench, claimed_of(version, [Wish(wish.row, Returns.BOTH, 0)])).values()
        expected = cut(full, wish)
        # As text, since the order counts.
        assert json.dumps(answers[entry.request.job_id]) == json.dumps(expected)


@pytest.mark.parametrize("kind", [kind for kind, (_, signature) in ESTIMATORS.items() if len(signature.outputs) == 1])
def test_a_full_answer_is_what_the_estimator_says(bench: Bench, kind: str) -> None:
    estimator, signature = ESTIMATORS[kind]
    version = serve(bench, estimator, signature)

    answers = results_of(bench, claimed_of(version, [Wish(row, Returns.BOTH, 0) for row in range(150)]))

    assert [answer["label"] for answer in answers.values()] == estimator.predict(ROWS).tolist()
    if hasattr(estimator, "predict_proba"):
        found = [list(answer["probabilities"].values()) for answer in answers.values()]
        np.testing.assert_allclose(found, estimator.predict_proba(ROWS), rtol=1e-12)


def test_several_outputs_are_answered_by_name(bench: Bench) -> None:
    version = serve(bench, *ESTIMATORS["two outputs"])

    (answer,) = results_of(bench, claimed_of(version, [Wish(0, Returns.BOTH, 1)])).values()

    first, second = answer["outputs"]["y0"], answer["outputs"]["y1"]
    assert (first["label"], list(first["probabilities"])) == ("setosa", ["setosa"])
    assert (second["label"], list(second["probabilities"])) == ("small", ["small"])


def test_several_values_are_answered_by_name(bench: Bench) -> None:
    version = serve(bench, *ESTIMATORS["two values"])

    (answer,) = results_of(bench, claimed_of(version, [Wish(0, Returns.BOTH, 0)])).values()

    assert answer["outputs"]["y0"] == {"value": pytest.approx(2 * ROWS[0, 0])}
    assert answer["outputs"]["y1"] == {"value": pytest.approx(3 * ROWS[0, 1])}


def test_equally_probable_classes_stand_in_their_order(bench: Bench) -> None:
    rows, labels = np.array([[0.0]] * 3), np.array(["c", "a", "b"])
    signature = numbers_signature(1, ("a", "b", "c"))
    estimator = KNeighborsClassifier(3).fit(rows, labels)
    bench.shelf.champion = LoadedVersion(
        build_manifest(signature=signature, golden=golden_of(estimator, signature, [[0.0]])), estimator
    )
    bench_request = build_request(
        "job", payload=pack_rows([[0.0]]), signature=signature.digest, returns="probabilities", top_k=2
    )

    (answer,) = results_of(bench, [Claimed(Lane.INTERACTIVE, b"1-0", bench_request)]).values()

    assert list(answer["probabilities"]) == ["a", "b"]


class Counting(LogisticRegression):  # type: ignore[misc]
    """Notes its calls. A type of its own, so nothing is proven of its labels."""

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        CALLS.append("predict")
        return LogisticRegression.predict(self, rows)

    def predict_proba(self, rows: NDArray[Any]) -> NDArray[Any]:
        CALLS.append("predict_proba")
        return LogisticRegression.predict_proba(self, rows)


CALLS: list[str] = []


@pytest.mark.parametrize(
    ("wanted", "calls"),
    [
        (["label", "label"], ["predict"]),
        (["probabilities", "probabilities"], ["predict_proba"]),
        (["both", "both"], ["predict_proba", "predict"]),
        (["label", "probabilities"], ["predict", "predict_proba"]),
        (["label", "both", "probabilities", "label"], ["predict", "predict_proba", "predict", "predict_proba"]),
    ],
    ids=str,
)
def test_nobody_pays_for_what_they_do_not_want(bench: Bench, wanted: list[str], calls: list[str]) -> None:
    version = serve(bench, Counting(max_iter=300).fit(ROWS, LABELS), iris_signature())
    claimed = claimed_of(version, [Wish(0, Returns(returns), 0) for returns in wanted])
    CALLS.clear()

    bench.scoring.score_singles(claimed)

    assert calls == CALLS


@pytest.mark.parametrize(
    "wanted", [["label", "label"], ["probabilities", "probabilities"], ["probabilities", "both", "label"]], ids=str
)
def test_where_labels_follow_one_call_serves_all(bench: Bench, wanted: list[str]) -> None:
    sizes: list[int] = []
    bench.serve_unsaved(watched(lambda rows: sizes.append(len(rows))))
    assert bench.shelf.champion is not None
    claimed = claimed_of(bench.shelf.champion, [Wish(0, Returns(returns), 0) for returns in wanted])
    sizes.clear()

    answers = results_of(bench, claimed)

    assert len(sizes) == 1
    assert ["label" in answer for answer in answers.values()] == [returns != "probabilities" for returns in wanted]
    assert ["probabilities" in answer for answer in answers.values()] == [returns != "label" for returns in wanted]


@pytest.mark.parametrize("returns", list(Returns))
def test_a_chunks_rows_have_the_part_that_was_asked_for(bench: Bench, returns: Returns) -> None:
    version = serve(bench, *ESTIMATORS["labels follow from probabilities"])
    bench.submit_batch(20)
    (entry,) = bench.queue.batch_scorer().claim()
    request = build_request(
        entry.request.job_id,
        kind="batch",
        rows=20,
        payload=pack_rows(ROWS[40:60].tolist()),
        signature=version.signature.digest,
        version=version.name,
        returns=returns.value,
        top_k=2,
    )

    finished = bench.scoring.score_chunk(entry._replace(request=request))

    wishes = [Wish(row, Returns.BOTH, 0) for row in range(40, 60)]
    full = results_of(bench, claimed_of(version, wishes)).values()
    assert json.loads(finished.body) == [cut(answer, Wish(0, returns, 2)) for answer in full]
