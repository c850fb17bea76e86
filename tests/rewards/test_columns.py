"""What the columns of a reward batch must be."""

from typing import Any

import pytest

from medix.modality import ModalitySet
from medix.rewards import FormatReward, RewardSuite, Weighted
from medix.rewards.columns import checked_batch, columns_of
from tests.rewards.test_suite import columns_of as columns
from tests.rewards.test_suite import from_batch, rollouts_of
from tests.support.components import BATCH, rows_of


def test_columns_of_prompts_and_completions_have_an_entry_for_each() -> None:
    [group] = rollouts_of(("first", "second"))
    made = columns_of([(group.prompt, completion) for completion in group.completions])
    assert made["completions"] == ["first", "second"]
    assert made["references"] == [group.prompt.sample.reference] * 2
    assert made["token_counts"] == [len(completion.token_ids) for completion in group.completions]
    assert len(checked_batch(made, ModalitySet())) == 2


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"references": []}, "completions 1, references 0"),
        ({"modalities": ["BRAIN"]}, "'BRAIN'"),
        ({"modalities": ["<X_RAY>"]}, "'<X_RAY>'"),
        ({"completions": "one text"}, "completions: a single string was given"),
        ({"aliases": ["alias"]}, r"aliases\[0\]: 'alias' is a single string"),
        ({"token_counts": [1, 2]}, "token_counts 2"),
        ({"references": ["\u202a\ufe0f<X_RAY>\nleft"]}, r"references\[0\]: '.* opens with the tag <X_RAY>"),
        (
            {"references": ["<TEXT_ONLY>\nleft"]},
            r"references\[0\]: '.* opens with the tag <TEXT_ONLY>",
        ),
        ({"references": ["< X_RAY >\nleft"]}, r"references\[0\]: '.* opens with the tag <X_RAY>"),
        ({"aliases": [["right", "<X_RAY>\nleft"]]}, r"aliases\[0\]: '<X_RAY>.* opens with the tag <X_RAY>"),
        ({"references": [" <x_ray>\nleft"]}, r"references\[0\]: '.* opens with the tag <x_ray>, .*the text behind it"),
    ],
)
def test_columns_that_do_not_fit_are_refused(others: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RewardSuite({"a": Weighted(FormatReward(), 1.0)}).score(**columns(**others))


def test_a_row_whose_reference_is_no_string_is_named() -> None:
    """Under the type checker of the tests only the inner function can be handed it."""
    given = columns(references=[None], aliases=[()], sources=[""], token_counts=[None], truncated=[False])
    with pytest.raises(ValueError, match=r"references\[0\]: None is not a string"):
        checked_batch(given, ModalitySet())


def test_an_alias_that_is_no_string_is_named() -> None:
    with pytest.raises(ValueError, match=r"aliases\[0\]: None is not a string"):
        checked_batch({**from_batch(rows_of(BATCH, [0])), "aliases": [[None]]}, ModalitySet())
