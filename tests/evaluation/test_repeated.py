"""Several completions of one question."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import hypothesis
import pytest
from hypothesis import strategies as st

from medix.evaluation.repeated import Calibration, MajorityAnswer, Repeated, majority, pass_at_k
from medix.evaluation.scored_completion import ScoredCompletion


def _item(answers: Sequence[str | None], given: Sequence[float | None], item: str = "i") -> list[ScoredCompletion]:
    """An item; what has neither answer nor credit is a request that failed."""
    return [
        ScoredCompletion(item, k, item, "q", ("left",), "…" if answer or credit is not None else None, answer, credit)
        for k, (answer, credit) in enumerate(zip(answers, given, strict=True))
    ]


@hypothesis.given(st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(numbers: tuple[int, int, int]) -> None:
    count, right, k = numbers
    draws = list(itertools.combinations([True] * right + [False] * (count - right), k))
    assert pass_at_k(count, right, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_more_draws_than_completions_have_no_probability() -> None:
    assert math.isnan(pass_at_k(3, 1, 4))


def test_the_majority_is_the_most_common_meaning() -> None:
    found = majority(_item(["Left.", "right", "the left", None], [1.0, 0.0, 1.0, 0.0]))
    assert found == MajorityAnswer(0.5, True)
    assert majority(_item(["a", "b"], [0.0, 1.0])) == MajorityAnswer(0.5, False)  # the earliest of equally common ones
    assert majority(_item(["a", "a", "b"], [None, None, 1.0])) is None  # nobody judged the majority


@pytest.mark.parametrize("given", [*itertools.permutations([0.2, 0.6, 0.7])])
def test_a_majority_of_half_credit_is_right_in_whatever_order_it_was_judged(given: tuple[float, ...]) -> None:
    assert majority(_item(["left"] * 3, given)) == MajorityAnswer(1.0, True)


def test_an_item_without_any_answer_is_wrong_and_not_left_out() -> None:
    """Of two items one is right four times and one never answers: the majority is right for half of them."""
    assert majority(_item([None, None], [0.0, 0.0])) == MajorityAnswer(0.0, False)
    found = Repeated.of([*_item(["left"] * 4, [1.0] * 4, "a"), *_item([None] * 4, [0.0] * 4, "b")])
    assert found is not None
    assert (found.calibration.items, found.calibration.accuracy) == (2, 0.5)
    assert found.calibration.curve == ((0.5, 0.0), (1.0, 0.5))


def test_a_request_that_failed_is_no_disagreement() -> None:
    assert majority(_item(["left", "left", None, None], [1.0, 1.0, None, None])) == MajorityAnswer(1.0, True)
    assert majority(_item([None, None], [None, None])) is None


def test_a_choice_is_one_answer_however_it_is_named() -> None:
    question = "Which?\n\nChoices:\nA. skin\nB. bone"
    answers = ("A", "B", "Option B", "bone", "The answer is (B).", "B. bone", "neither", "Neither.")
    rows = [
        ScoredCompletion("i", k, "i", question, ("bone",), answer, answer, float(0 < k < 6), choices=("skin", "bone"))
        for k, answer in enumerate(answers)
    ]
    assert majority(rows) == MajorityAnswer(5 / 8, True)
    assert majority([rows[0], *rows[6:]]) == MajorityAnswer(2 / 3, False)


def test_all_that_the_judge_accepts_is_one_answer() -> None:
    """Four sentences that name one choice agree, where they are right; five wrong ones in other words do not."""
    texts = ["It is bone.", "Surely bone, so B.", "Option B fits best.", "B, I think."]
    assert majority(_item(texts, [1.0] * 4)) == MajorityAnswer(1.0, True)
    assert majority(_item(["A", "A", *texts[:3]], [0.0, 0.0, 1.0, 1.0, 1.0])) == MajorityAnswer(3 / 5, True)
    assert majority(_item(["x", "x", *texts[:2]], [0.0, None, 1.0, None])) == MajorityAnswer(1 / 2, False)
    assert majority(_item(texts, [0.0] * 4)) == MajorityAnswer(1 / 4, False)
    assert majority(_item(["left", "left", "x"], [1.0, 0.0, 1.0])) == MajorityAnswer(2 / 3, True)  # the judge wavers


def test_yes_is_one_answer_however_it_is_written() -> None:
    rows = [replace(one, references=("yes",)) for one in _item(["No", "Y", "yes", "**Yes.**"], [0.0, 1.0, 1.0, 1.0])]
    assert majority(rows) == MajorityAnswer(3 / 4, True)
    closed = [replace(one, choices=("yes", "no"), answer_index=0, question="q\n\nA. yes\nB. no") for one in rows]
    assert majority(closed) == MajorityAnswer(3 / 4, True)
    named = [replace(one, references=("Y",)) for one in _item(["Y", "yes"], [1.0, 0.0])]
    assert majority(named) == MajorityAnswer(1 / 2, True)  # not a closed question


def test_calibration_by_hand() -> None:
    """Two at confidence 1, both right; two at 0.5, one right: error (0 + |0.5 - 0.5|) = 0; curve (0.5, 0), (1, 0.25);
    area: 0 up to coverage 0.5, then the mean of 0 and 0.25 over 0.5: 0.0625. Without confidence the risk is 0.25."""
    answers = [MajorityAnswer(1.0, True)] * 2 + [MajorityAnswer(0.5, True), MajorityAnswer(0.5, False)]
    found = Calibration.of(answers)
    assert (found.error, found.area, found.random_area) == (0, 0.0625, 0.25)
    assert found.curve == ((0.5, 0.0), (1.0, 0.25))
    assert found.bins == ((1.0, 2, 1.0), (0.5, 2, 0.5))
    worse = Calibration.of([MajorityAnswer(1.0, False), MajorityAnswer(0.5, True)])
    assert worse.error == pytest.approx((1.0 + 0.5) / 2)
    assert worse.area > worse.random_area


@hypothesis.given(st.lists(st.tuples(st.sampled_from([0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=1, max_size=30))
def test_risk_at_full_coverage_is_the_overall_risk(rows: list[tuple[float, bool]]) -> None:
    found = Calibration.of([MajorityAnswer(*row) for row in rows])
    assert found.curve[-1] == pytest.approx((1.0, 1 - found.accuracy))
    assert 0 <= found.error <= 1
    assert 0 <= found.area <= 1


def test_repeated_results_of_a_task() -> None:
    rows = _item(["left", "left", "left", "right"], [1.0, 1.0, 1.0, 0.0], "a")
    rows += _item(["right", "right", "up", None], [0.0, 0.0, 0.0, None], "b")
    found = Repeated.of(rows)
    assert found is not None
    assert found.pass_at == {1: pytest.approx((0.75 + 0) / 2), 2: pytest.approx((1.0 + 0) / 2), 4: pytest.approx(1.0)}
    assert found.calibration.bins == ((0.75, 1, 1.0), (2 / 3, 1, 0.0))
    assert Repeated.of(rows[:1]) is None
    assert Repeated.of([]) is None
    assert found.pass_items == {1: 2, 2: 2, 4: 1}
    assert set(found.to_dict()) == {"samples", "pass_at", "pass_items", "calibration"}
