"""What goes into a loss: denominators are counted once, and what must not be there is refused by name."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from medix.losses.base import GroupLoss, LossInput, LossOutput
from tests.losses.cases import rows

MASK = [[True, True, True], [True, False, False], [False, False, False]]


def batch() -> LossInput:
    return rows([[1.0, 1.1, 0.9]] * 3, [1.0, -1.0, 0.5], MASK)


def test_from_batch_counts_tokens_sequences_and_the_longest() -> None:
    """3 + 1 + 0 tokens; the third row trains nothing and is no sequence; the longest has 3."""
    counted = batch()
    assert (counted.token_count, counted.sequence_count, counted.longest) == (4, 2, 3)


def test_counts_are_required() -> None:
    whole = batch()
    with pytest.raises(TypeError, match="token_count"):
        LossInput(whole.policy_logprobs, whole.old_logprobs, whole.advantages, whole.completion_mask)  # type: ignore[call-arg]


def test_cleaning_zeroes_what_is_not_trained_and_detaches_constants() -> None:
    whole = batch()
    reference = torch.full((3, 3), math.nan, dtype=torch.float64, requires_grad=True)
    clean = replace(whole, reference_logprobs=reference).cleaned()
    outside = ~whole.completion_mask
    assert not clean.policy_logprobs[outside].any()
    assert not clean.old_logprobs[outside].any()
    assert clean.reference_logprobs is not None
    assert not clean.reference_logprobs[outside].any()
    assert not clean.reference_logprobs.requires_grad
    assert clean.policy_logprobs.requires_grad


def test_half_precision_is_computed_in_float32_and_float64_stays() -> None:
    whole = batch()
    half = replace(whole, policy_logprobs=whole.policy_logprobs.detach().half(), old_logprobs=whole.old_logprobs.half())
    assert {half.cleaned().policy_logprobs.dtype, half.cleaned().advantages.dtype} == {torch.float32}
    assert whole.cleaned().advantages.dtype is torch.float64


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_row_without_a_finite_advantage_is_refused_by_its_number(value: float) -> None:
    whole = replace(batch(), advantages=torch.tensor([1.0, value, 0.0]))
    with pytest.raises(ValueError, match=r"advantages of rows \[1\].*leave unscored completions out"):
        whole.cleaned()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"completion_mask": torch.ones(3, 3)}, "completion_mask must be boolean, got torch.float32"),
        ({"old_logprobs": torch.zeros(3, 2)}, r"old_logprobs has shape \(3, 2\), expected \(3, 3\)"),
        ({"reference_logprobs": torch.zeros(2, 3)}, r"reference_logprobs has shape \(2, 3\)"),
        ({"advantages": torch.zeros(2)}, r"advantages has shape \(2,\), expected \(3,\)"),
        ({"token_count": 0}, "token_count must be positive, got 0"),
        ({"sequence_count": 0}, "sequence_count must be positive, got 0"),
    ],
)
def test_impossible_inputs_are_named(change: dict[str, Any], message: str) -> None:
    """Built past the type checks of this test run, which are not there in a user's run."""
    whole = batch()
    for name, value in change.items():
        object.__setattr__(whole, name, value)
    with pytest.raises(ValueError, match=message):
        whole._check()


def test_counts_may_be_scalar_tensors() -> None:
    counted = replace(batch(), token_count=torch.tensor(4), sequence_count=torch.tensor(2))
    assert counted.cleaned().token_count == 4


def test_a_loss_of_ones_own_is_one_method() -> None:
    class Likelihood(GroupLoss):
        def __call__(self, batch: LossInput) -> LossOutput:
            clean = batch.cleaned()
            return LossOutput(-clean.policy_logprobs.sum() / clean.token_count, {})

    loss = Likelihood()
    assert loss(rows([[1.0, 1.0]], [1.0])).loss.item() == pytest.approx(1.0)
    assert not loss.needs_reference_logprobs
    assert not loss.needs_rollout_logprobs
    loss.end_step({}, 8)
    assert loss.state_dict() == {}
    loss.load_state_dict({})
