"""GSPO by hand: one ratio per completion, clipped as a whole."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.losses.aggregate import Aggregate, SequenceMean, SequenceSum, SequenceSumNorm, TokenMean
from medix.losses.gspo import GSPOLoss, GSPOTokenLoss
from medix.losses.importance import TruncatedImportance
from tests.losses.cases import gradient, random_batch, rows

AGGREGATES = [TokenMean(), SequenceMean(), SequenceSum(), SequenceSumNorm()]


@pytest.mark.parametrize("kind", [GSPOLoss, GSPOTokenLoss])
def test_the_step_of_one_completion(kind: type[GSPOLoss] | type[GSPOTokenLoss]) -> None:
    """Ratios 1.5 and 0.75: sequence ratio sqrt(1.125) = 1.06066; loss -1.06066, and half of it on each token."""
    batch = rows([[1.5, 0.75]], [1.0])
    output = kind(clip_low=0.2, clip_high=0.28)(batch)
    ratio = math.sqrt(1.125)
    assert output.loss.item() == pytest.approx(-ratio)
    assert gradient(output, batch)[0].tolist() == pytest.approx([-ratio / 2, -ratio / 2])


@pytest.mark.parametrize("kind", [GSPOLoss, GSPOTokenLoss])
def test_a_completion_is_clipped_as_a_whole_at_the_narrow_default(kind: type[GSPOLoss] | type[GSPOTokenLoss]) -> None:
    """Ratio 1.0005 is beyond 1 + 4e-4, 1.0003 is not; 0.9996 is beyond 1 - 3e-4, 0.9998 is not."""
    batch = rows([[1.0005] * 2, [1.0003] * 2, [0.9996] * 2, [0.9998] * 2], [1.0, 1.0, -1.0, -1.0])
    output = kind()(batch)
    assert output.loss.item() == pytest.approx((-1.0004 - 1.0003 + 0.9997 + 0.9998) / 4, abs=1e-12)
    slope = gradient(output, batch)
    assert (slope != 0).any(dim=1).tolist() == [False, True, False, True]
    assert output.metrics["clip_fraction_high"].item() == output.metrics["clip_fraction_low"].item() == 1 / 4


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=lambda aggregate: type(aggregate).__name__)
@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(any), seed=st.integers(0, 999))
def test_both_forms_have_one_loss_and_one_gradient_where_advantages_belong_to_completions(
    aggregate: Aggregate, lengths: list[int], seed: int
) -> None:
    """verl's sequence form is a token form too: the mean behind a stop-gradient, plus log π - sg[log π].

    The derivative of a true mean hands each of n tokens 1/n of n equal terms, which is the same.
    """
    batch = random_batch(lengths, seed)
    sequence, token = GSPOLoss(0.2, 0.28, aggregate)(batch), GSPOTokenLoss(0.2, 0.28, aggregate)(batch)
    torch.testing.assert_close(sequence.loss, token.loss, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(gradient(sequence, batch), gradient(token, batch), rtol=1e-10, atol=1e-12)


def test_an_importance_weight_stays_with_its_token_only_in_the_token_form() -> None:
    """Weights 0.5 and 1.5 on two on-policy tokens: loss -1; gradient -0.5, -0.5, in the token form -0.25, -0.75."""
    rollout = -1 - torch.tensor([[0.5, 1.5]], dtype=torch.float64).log()
    batch = rows([[1.0, 1.0]], [1.0], rollout_logprobs=rollout)
    sequence = GSPOLoss(importance=TruncatedImportance())(batch)
    token = GSPOTokenLoss(importance=TruncatedImportance())(batch)
    assert sequence.loss.item() == pytest.approx(-1)
    assert token.loss.item() == pytest.approx(-1)
    assert gradient(sequence, batch)[0].tolist() == pytest.approx([-0.5, -0.5])
    assert gradient(token, batch)[0].tolist() == pytest.approx([-0.25, -0.75])
