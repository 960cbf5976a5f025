"""What counts as failed, wrong and lost, and how long a promotion takes."""

import pytest

from benchmarks.reload import Answer, build_table, judge, sum_up

VERSIONS = {"old": [{"a": 0.25, "b": 0.75}], "new": [{"a": 0.5, "b": 0.5}]}


def document(status: str, version: str = "old", a: float = 0.25) -> dict[str, object]:
    return {"status": status, "version": version, "result": {"probabilities": {"a": a, "b": 1 - a}}}


@pytest.mark.parametrize(
    ("answered", "verdict"),
    [
        (document("succeeded"), "right"),
        (document("succeeded", "new", 0.5), "right"),
        (document("succeeded", "new", 0.25), "wrong"),
        (document("succeeded", "other"), "wrong"),
        (document("running"), "lost"),
        (document("failed"), "failed"),
        ({"code": "queue_unavailable"}, "failed"),
    ],
)
def test_an_answer_must_be_the_one_of_the_version_it_names(answered: dict[str, object], verdict: str):
    assert judge(answered, VERSIONS, 0) == verdict


def test_a_promotion_lasts_from_its_request_to_the_last_old_answer():
    answers = [
        Answer(9.9, 10.5, "old", "right"),
        Answer(12.0, 12.1, "old", "right"),
        Answer(12.0, 12.2, "new", "right"),
        Answer(12.2, 12.4, "old", "right"),
        Answer(13.0, 13.1, "new", "right"),
        Answer(13.0, 13.5, "", "failed"),
    ]

    found = sum_up(answers, [(12.0, "new")], begun=10.0, seconds=5.0)

    assert found["first_new_ms"] == [pytest.approx(200)]
    assert found["last_old_ms"] == [pytest.approx(400)]
    assert found["outcomes"] == {"right": 5, "failed": 1}
    assert found["jobs_per_second"] == 1.0


def test_the_table_shows_what_went_wrong():
    quiet = sum_up([Answer(0.0, 0.1, "old", "right")], [], 0.0, 1.0)
    reloads = sum_up([Answer(0.0, 0.1, "new", "right"), Answer(0.0, 0.2, "new", "wrong")], [(0.0, "new")], 0.0, 1.0)

    table = build_table({"quiet": [quiet], "reloads": [reloads]})

    assert ("wrong answers", "0", "1", "") in table.rows
