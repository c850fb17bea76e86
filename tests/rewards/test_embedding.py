"""Credit for nearness in the space of an encoder."""

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from medix.rewards import EmbeddingReward, PublishedAnswer, SentenceEncoder
from medix.rewards.encoder import encodable
from medix.rewards.similarity import SimilarityReward
from medix.types import Status
from tests.rewards.test_answer import batch_of
from tests.support.components import BATCH, rows_of
from tests.support.encoders import CountingEncoder, WordEncoder


def at(cosine: float, kind: Callable[[Any], Any] = np.array) -> Any:
    """An encoder that puts "mass" and "tumor" at this cosine."""

    class Pair:
        def encode(self, texts: list[str], /) -> Any:
            return kind([[1.0, 0.0] if text == "mass" else [cosine, math.sqrt(1 - cosine**2)] for text in texts])

    return Pair()


def credit(encoder: Any, answer: str = "mass", reference: str = "tumor", **arguments: Any) -> float:
    return EmbeddingReward(encoder, **arguments).score(batch_of(f"<answer>{answer}</answer>", reference)).value.item()


@pytest.mark.parametrize(("cosine", "expected"), [(0.85, 1), (0.8, 1), (0.7999, 0), (0.72, 0), (0, 0), (-1, 0)])
def test_credit_from_a_cosine_of_0_8_on(cosine: float, expected: float) -> None:
    """0.85 and 0.72 are the examples of the paper."""
    assert credit(at(cosine)) == expected


@pytest.mark.parametrize(
    "kind",
    [np.array, torch.tensor, lambda rows: torch.tensor(rows, dtype=torch.bfloat16), list,
     lambda rows: torch.tensor(rows, requires_grad=True), lambda rows: np.array(rows, dtype=np.float16)],
)  # fmt: skip
def test_arrays_and_tensors_of_any_kind_will_do(kind: Callable[[Any], Any]) -> None:
    assert credit(at(0.9, kind)) == 1
    assert credit(at(0.5, kind)) == 0


def test_lengths_of_vectors_do_not_count_and_zero_vectors_are_near_nothing() -> None:
    for scale in (1e-200, 1.0, 1e200):
        assert credit(at(0.9, lambda rows, scale=scale: np.array(rows) * scale)) == 1
    assert credit(at(0.9, lambda rows: np.zeros((len(rows), 4)))) == 0


def test_each_string_is_encoded_once_in_one_call() -> None:
    encoder = CountingEncoder()
    EmbeddingReward(encoder, guard=False).score(rows_of(BATCH, [0, 1, 0, 2, 3]))
    assert encoder.calls == [["smaller", "larger", "heart attack", "myocardial infarction"]]


def test_without_an_answer_nothing_is_encoded_and_the_row_is_wrong() -> None:
    encoder = CountingEncoder()
    scores = EmbeddingReward(encoder).score(rows_of(BATCH, [3, 4]))
    assert scores.value.tolist() == [0, 0]
    assert encoder.calls == []


def test_an_alias_counts_as_the_reference() -> None:
    assert EmbeddingReward(CountingEncoder()).score(rows_of(BATCH, [2])).value.tolist() == [1]


@pytest.mark.parametrize(
    ("answer", "reference"),
    [("left lung", "right lung"), ("smaller", "larger"), ("fracture", "no fracture"), ("3", "2")],
)
def test_opposites_get_no_credit_however_near(answer: str, reference: str) -> None:
    encoder = CountingEncoder({answer: [1.0], reference: [1.0]})
    assert credit(encoder, answer, reference) == 0
    assert credit(encoder, answer, reference, guard=False) == 1


def broken(result: Any) -> Any:
    class Broken:
        def encode(self, texts: list[str], /) -> Any:
            if isinstance(result, Exception):
                raise result
            return result

    return Broken()


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (RuntimeError("out of memory"), "RuntimeError: out of memory"),
        (np.ones((3, 2)), "shape (3, 2) for 2 texts"),
        (np.ones(2), "shape (2,) for 2 texts"),
        (None, "shape () for 2 texts"),
        ("text", "failed"),
        (np.array([[1.0, math.nan], [1.0, 1.0]]), "not finite"),
        (np.array([[math.inf, 1.0], [1.0, 1.0]]), "not finite"),
    ],
)
def test_an_encoder_that_fails_leaves_rows_unscored_with_the_reason(result: Any, reason: str) -> None:
    scores = EmbeddingReward(broken(result)).score(batch_of("<answer>mass</answer>", "tumor"))
    assert scores.status == (Status.UNSCORED,)
    assert reason in scores.reason[0]


def test_a_failure_does_not_touch_rows_that_need_no_encoder() -> None:
    scores = EmbeddingReward(broken(OSError("x"))).score(rows_of(BATCH, [3, 0]))
    assert scores.status == (Status.SCORED, Status.UNSCORED)


def test_equality_settles_only_by_the_published_rule() -> None:
    zeros = at(0.9, lambda rows: np.zeros((len(rows), 4)))
    assert credit(zeros, "same", "same", guard=False) == 0
    assert credit(zeros, "same", "same", answer_rule=PublishedAnswer()) == 1


def test_a_threshold_that_is_no_cosine_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold: 80"):
        EmbeddingReward(threshold=80.0)


def test_the_default_encoder_is_that_of_the_paper_and_is_not_loaded_before_use() -> None:
    encoder = EmbeddingReward().encoder
    assert isinstance(encoder, SentenceEncoder)
    assert encoder.model == "abhinand/MedEmbed-large-v0.1"
    assert encoder._loaded is None


# References that are kept --------------------------------------------------------------------------------------------


def test_a_reference_is_encoded_once_in_all_steps_and_an_answer_in_each() -> None:
    encoder = CountingEncoder()
    reward = EmbeddingReward(encoder, guard=False)
    for _ in range(2):
        reward.score(rows_of(BATCH, [1, 1, 2]))
    assert encoder.calls == [["larger", "smaller", "heart attack", "myocardial infarction"], ["larger"]]
    assert (reward.references_encoded, reward.references_cached) == (3, 3)  # the alias is one of them


def test_when_all_is_at_hand_the_encoder_is_not_called() -> None:
    encoder = CountingEncoder()
    reward = EmbeddingReward(encoder)
    first = reward.score(rows_of(BATCH, [0, 2]))
    assert torch.equal(reward.score(rows_of(BATCH, [0, 2])).value, first.value)
    assert len(encoder.calls) == 1


def test_without_a_table_references_are_encoded_each_time() -> None:
    encoder = CountingEncoder()
    reward = EmbeddingReward(encoder, guard=False, cached_references=0)
    for _ in range(2):
        reward.score(rows_of(BATCH, [1]))
    assert encoder.calls == [["larger", "smaller"]] * 2
    assert reward.references_cached == 0


WORDS = st.sampled_from(["left", "lung", "mass", "of the", "small", "effusion", "é", "\ud800"])
PAIRS = st.lists(st.tuples(st.lists(WORDS, min_size=1, max_size=4), st.lists(WORDS, min_size=1)), max_size=6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@settings(max_examples=15)
@given(steps=st.lists(PAIRS, max_size=4), size=st.integers(1, 3))
def test_kept_references_change_no_bit_for_an_encoder_that_keeps_the_protocol(
    dtype: Any, steps: list[list[tuple[list[str], list[str]]]], size: int
) -> None:
    encoder = WordEncoder(dtype)
    with_table = SimilarityReward(encoder, floor=-1.0, guard=False, cached_references=size)
    without = SimilarityReward(encoder, floor=-1.0, guard=False, cached_references=0)
    for step in steps:
        batch = replace(
            rows_of(BATCH, [0] * len(step)),
            completions=[f"<answer>{' '.join(answer)}</answer>" for answer, _ in step],
            references=[" ".join(reference) for _, reference in step],
        )
        assert with_table.score(batch).value.tolist() == without.score(batch).value.tolist()


def test_an_encoder_that_rounds_by_the_company_of_a_text_moves_no_credit_but_next_to_the_threshold() -> None:
    """Cosine 0.85 in the first batch, and 1e-7 more in every other: a kept vector is the first, and the credit is 1."""

    class Rounding(CountingEncoder):
        def encode(self, texts: list[str], /) -> Any:
            vectors = super().encode(texts)
            return vectors * (1 + 1e-7 * len(self.calls) * np.arange(vectors.shape[1]))

    near = {"heart attack": [1.0, 0.0], "myocardial infarction": [0.85, math.sqrt(1 - 0.85**2)]}
    batch = replace(rows_of(BATCH, [2]), aliases=[()])
    cached, plain = EmbeddingReward(Rounding(near)), EmbeddingReward(Rounding(near), cached_references=0)
    for _ in range(5):
        assert cached.score(batch).value.tolist() == plain.score(batch).value.tolist() == [1.0]
    assert cached.references_cached == 4


def test_another_encoder_starts_with_an_empty_table() -> None:
    first, second = CountingEncoder(), CountingEncoder()
    reward = EmbeddingReward(first, guard=False)
    reward.score(rows_of(BATCH, [1]))
    reward.use_encoder(second, replace=True)
    reward.score(rows_of(BATCH, [1]))
    assert second.calls == [["larger", "smaller"]]


def test_kept_vectors_are_in_no_pickle_and_no_state() -> None:
    reward = EmbeddingReward(WordEncoder())
    reward.score(rows_of(BATCH, [0]))
    other = pickle.loads(pickle.dumps(reward))
    assert other.cached_references == 20_000
    assert (other.references_cached, other.references_encoded) == (0, 0)
    other.score(rows_of(BATCH, [0]))
    assert other.references_encoded == 1
    assert not reward.state_dict()


def test_an_encoder_that_failed_is_asked_again() -> None:
    encoder = CountingEncoder({"larger": [1.0], "smaller": [math.nan]})
    reward = EmbeddingReward(encoder, guard=False)
    assert reward.score(rows_of(BATCH, [1])).status == (Status.UNSCORED,)
    encoder.vectors["smaller"] = [1.0]
    assert reward.score(rows_of(BATCH, [1])).value.tolist() == [1.0]


def test_vectors_of_another_width_are_not_compared_with_kept_ones_but_asked_for_again() -> None:
    class Growing(CountingEncoder):
        def encode(self, texts: list[str], /) -> Any:
            return super().encode(texts)[:, : 10 * (1 + len(self.calls))]

    encoder = Growing()
    reward = EmbeddingReward(encoder, guard=False)
    assert [reward.score(rows_of(BATCH, [1])).value.item() for _ in range(2)] == [0.0, 0.0]
    assert encoder.calls == [["larger", "smaller"], ["larger"], ["larger", "smaller"]]


def test_half_a_surrogate_pair_reaches_no_encoder() -> None:
    encoder = WordEncoder()
    scores = EmbeddingReward(encoder).score(batch_of("<answer>lung \ud83d</answer>", "lung \udc00"))
    assert encoder.calls == [["lung ?", "lung ?"]]
    assert scores.value.tolist() == [1.0]


# What the encoder cannot read ----------------------------------------------------------------------------------------


class Alike:
    """Gives every text the same vector, as an encoder does whose tokens are all unknown."""

    def __init__(self, *languages: str) -> None:
        if languages:
            self.languages = languages

    def encode(self, texts: list[str], /) -> Any:
        return np.ones((len(texts), 2))


@pytest.mark.parametrize("kind", [EmbeddingReward, SimilarityReward])
@pytest.mark.parametrize(
    ("answer", "reference", "value"),
    [
        ("右肺", "左肺", None),
        ("да", "нет", None),
        ("اليسار", "اليمين", None),
        ("왼쪽", "오른쪽", None),
        ("right lung", "左肺", None),
        ("右 lung", "左 lung", None),
        ("右肺", "left lung", 0),
        ("l\u0435ft lung", "left lung", 0),  # a Cyrillic letter
        ("左肺。", "左肺", 1),  # equal after normalisation
        ("пневмония", "Пневмония", 1),
        ("lung, left", "left lung", 1),
        ("na\u00efve", "caf\u00e9", 1),
        ("\uff2c\uff25\uff26\uff34", "left", 1),
    ],
)
def test_no_credit_for_what_the_encoder_cannot_read_but_for_equality(
    kind: Any, answer: str, reference: str, value: float | None
) -> None:
    """None is not applicable: nobody's fault, and the other components decide."""
    scores = kind(Alike()).score(batch_of(f"<answer>{answer}</answer>", reference))
    assert scores.status == (Status.NOT_APPLICABLE if value is None else Status.SCORED,)
    assert value is None or scores.value.item() == value
    stated = kind(Alike("any"), guard=False).score(batch_of(f"<answer>{answer}</answer>", reference))
    assert stated.value.tolist() == [1]


def test_the_component_applies_to_all_completions_of_a_sample_or_to_none_but_equal_ones() -> None:
    completions = ["<answer>右肺</answer>", "<answer>left</answer>", "no answer", "<answer>左肺</answer>"]
    batch = replace(rows_of(BATCH, [0] * 4), completions=completions, references=["左肺"] * 4)
    assert EmbeddingReward(Alike()).score(batch).status == (Status.NOT_APPLICABLE,) * 3 + (Status.SCORED,)
    readable = replace(batch, references=["left side"] * 4)
    assert EmbeddingReward(Alike()).score(readable).value.tolist() == [0, 1, 0, 0]


def test_credit_for_an_unreadable_reference_is_in_no_mean() -> None:
    """One of four answers is right, in English and in Chinese: the mean is 1/4 and not (1 + 1) / (4 + 1)."""
    answers = ["left lung", "mass", "effusion", "no answer", "左肺", "右肺", "肺", "no answer"]
    batch = replace(rows_of(BATCH, [0] * 8), completions=[f"<answer>{text}</answer>" for text in answers],
                    references=["left lung"] * 4 + ["左肺"] * 4)  # fmt: skip
    reward = EmbeddingReward(CountingEncoder())
    scores = reward.score(batch)
    assert scores.value.tolist()[:5] == [1, 0, 0, 0, 1]
    assert scores.status_in_means == (Status.SCORED,) * 4 + (Status.NOT_APPLICABLE,) * 4
    reward.update(batch)
    assert reward.compute()[""] == 0.25


EQUAL = [
    ("5 \u00b5m", "5 um"), ("H\u2082O", "H2O"), ("\u00bd", "1/2"), ("10\u2079/L", "10^9/L"), ("100 \u00b5m", "0.1 mm"),
    ("Stra\u00dfe", "Strasse"), ("Na\u207a", "Na+"), ("\u03b2-blocker", "beta-blocker"),
]  # fmt: skip


@pytest.mark.parametrize("kind", [EmbeddingReward, SimilarityReward])
@pytest.mark.parametrize(("answer", "reference"), EQUAL)
def test_an_answer_equal_after_normalisation_is_credited_whatever_the_cosine(
    kind: Any, answer: str, reference: str
) -> None:
    encoder = CountingEncoder({encodable(answer): [1.0, 0.0], encodable(reference): [0.0, 1.0]})
    assert kind(encoder).score(batch_of(f"<answer>{answer}</answer>", reference)).value.item() == 1


@pytest.mark.parametrize(
    ("answer", "reference"),
    [("TNF-\u03b1", "TNF-\u03b2"), ("Na\u207a", "Na\u207b"), ("HER2 \u2795", "HER2 \u2796"), ("mass \u274c", "mass"),
     ("stage \u2162", "stage \u2161"), ("nerve \u2166", "nerve \u2165")],
)  # fmt: skip
def test_signs_and_greek_letters_get_no_credit_however_near(answer: str, reference: str) -> None:
    assert credit(Alike(), answer, reference) == 0


def test_an_alias_that_can_be_read_stands_for_a_reference_that_cannot() -> None:
    batch = replace(rows_of(BATCH, [0] * 3), references=["左肺"] * 3, aliases=[("left lung",)] * 3,
                    completions=[f"<answer>{text}</answer>" for text in ("the left lung", "右肺", "左肺")])  # fmt: skip
    encoder = CountingEncoder({"the left lung": [1.0], "left lung": [1.0]})
    assert EmbeddingReward(encoder).score(batch).value.tolist() == [1, 0, 1]
    assert encoder.calls == [["the left lung", "left lung"]]


def test_the_published_rule_takes_equal_strings_and_no_others() -> None:
    rule = {"guard": False, "answer_rule": PublishedAnswer()}
    assert credit(Alike(), "左肺", "左肺", **rule) == 1
    assert math.isnan(credit(Alike(), "右肺", "左肺", **rule))


def test_a_tokenizer_that_fails_leaves_rows_unscored_but_those_that_need_none() -> None:
    class Broken(Alike):
        max_unknown = 0.0

        def unknown_shares(self, texts: list[str]) -> list[float]:
            raise OSError("no such file")

    scores = EmbeddingReward(Broken()).score(rows_of(BATCH, [3, 0]))
    assert scores.status == (Status.SCORED, Status.UNSCORED)
    assert "no such file" in scores.reason[1]


def test_references_that_cannot_be_read_are_told_with_the_reason() -> None:
    batch = replace(
        rows_of(BATCH, [0] * 4), references=["left", "左肺", "左肺", " "], aliases=[(), (), ("left lung",), ()]
    )
    assert EmbeddingReward(Alike()).unread(batch) == ["", "'左' is not in en", "", ""]
