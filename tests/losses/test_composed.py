"""Properties that every composition of ratio, surrogate and aggregate has."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import pad

from medix.losses import (
    AdaptiveCoefficient,
    Aggregate,
    CISPOLoss,
    ComposedLoss,
    DAPOLoss,
    DrGRPOLoss,
    FixedCoefficient,
    GRPOLoss,
    GSPOLoss,
    GSPOTokenLoss,
    LossInput,
    MaskedImportance,
    ReferenceKL,
    SequenceMean,
    SequenceSum,
    SequenceSumNorm,
    TokenMean,
    TruncatedImportance,
)
from tests.losses.cases import gradient, random_batch, rows

LOSSES = [DAPOLoss, GRPOLoss, DrGRPOLoss, GSPOLoss, GSPOTokenLoss, CISPOLoss]
AGGREGATES = [TokenMean(), SequenceMean(), SequenceSum(), SequenceSumNorm(), SequenceSumNorm(length=7)]
EVERY_LOSS = pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
EVERY_AGGREGATE = pytest.mark.parametrize(
    "aggregate", AGGREGATES, ids=["token", "seq-mean", "seq-sum", "longest", "length"]
)
LENGTHS = st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any)


def full(kind: Callable[..., ComposedLoss], aggregate: Aggregate | None = None) -> ComposedLoss:
    """The loss with everything that can be switched on."""
    return kind(
        clip_low=0.2,
        clip_high=0.28,
        aggregate=aggregate,
        reference_kl=ReferenceKL("k3", FixedCoefficient(0.1)),
        importance=TruncatedImportance(0.9, 1.05),
    )


def part(batch: LossInput, indices: list[int], trim: bool) -> LossInput:
    """Some rows of a batch, cut to their own width if asked, with the denominators of the batch."""
    width = int(batch.completion_mask[indices].sum(1).max()) if trim and indices else batch.completion_mask.shape[1]
    per_token = ("policy_logprobs", "old_logprobs", "completion_mask", "reference_logprobs", "rollout_logprobs")
    cut = {name: getattr(batch, name)[indices, :width] for name in per_token}
    return replace(batch, advantages=batch.advantages[indices], **cut)


@EVERY_AGGREGATE
@EVERY_LOSS
@settings(max_examples=12)
@given(
    lengths=LENGTHS,
    seed=st.integers(0, 999),
    owner=st.lists(st.integers(0, 2), min_size=6, max_size=6),
    trim=st.booleans(),
)
def test_any_split_into_micro_batches_has_the_loss_gradient_and_metrics_of_the_batch(
    kind: Any, aggregate: Aggregate, lengths: list[int], seed: int, owner: list[int], trim: bool
) -> None:
    batch = random_batch(lengths, seed)
    loss = full(kind, aggregate)
    whole = loss(batch)
    expected = gradient(whole, batch)
    outputs = [
        loss(part(batch, [index for index in range(len(lengths)) if owner[index] == piece], trim)) for piece in range(3)
    ]
    slope = sum(gradient(output, batch) for output in outputs)
    torch.testing.assert_close(sum(output.loss for output in outputs), whole.loss, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(slope, expected, rtol=1e-10, atol=1e-12)
    for name, value in whole.metrics.items():
        torch.testing.assert_close(sum(output.metrics[name] for output in outputs), value, rtol=1e-10, atol=1e-12)


@EVERY_AGGREGATE
@EVERY_LOSS
@settings(max_examples=12)
@given(
    lengths=LENGTHS,
    seed=st.integers(0, 999),
    bad=st.sampled_from([math.nan, math.inf, -math.inf, 1e38]),
    more=st.integers(0, 3),
)
def test_padding_reaches_neither_loss_nor_gradient_nor_metrics(
    kind: Any, aggregate: Aggregate, lengths: list[int], seed: int, bad: float, more: int
) -> None:
    """Neither what stands in padded positions nor how many there are."""
    clean = random_batch(lengths, seed)
    mask = pad(clean.completion_mask, (0, more))

    def spoil(values: torch.Tensor | None) -> torch.Tensor:
        assert values is not None
        return pad(values.detach(), (0, more)).masked_fill(~mask, bad)

    dirty = LossInput.from_batch(
        spoil(clean.policy_logprobs).requires_grad_(),
        spoil(clean.old_logprobs),
        clean.advantages,
        mask,
        spoil(clean.reference_logprobs),
        spoil(clean.rollout_logprobs),
    )
    loss = full(kind, aggregate)
    expected, got = loss(clean), loss(dirty)
    torch.testing.assert_close(got.loss, expected.loss, rtol=1e-10, atol=1e-12)
    slope = gradient(got, dirty)
    assert not slope[~mask].any()
    width = clean.completion_mask.shape[1]
    torch.testing.assert_close(slope[:, :width], gradient(expected, clean), rtol=1e-10, atol=1e-12)
    for name, value in expected.metrics.items():
        torch.testing.assert_close(got.metrics[name], value, rtol=1e-10, atol=1e-12)


@EVERY_LOSS
@settings(max_examples=20)
@given(lengths=LENGTHS, seed=st.integers(0, 999))
def test_on_policy_the_gradient_is_that_of_the_policy_gradient(kind: Any, lengths: list[int], seed: int) -> None:
    """At ratio 1 nothing is clipped, and every loss pushes each token by -A / number of tokens."""
    batch = random_batch(lengths, seed)
    batch = replace(batch, old_logprobs=batch.policy_logprobs.detach())
    expected = torch.where(batch.completion_mask, -batch.advantages[:, None] / sum(lengths), 0.0)
    output = kind(aggregate=TokenMean())(batch)
    torch.testing.assert_close(gradient(output, batch), expected, rtol=1e-10, atol=1e-12)
    assert output.metrics["ratio"].item() == pytest.approx(1)
    assert output.metrics["old_kl"].item() == 0
    assert output.metrics["clip_fraction_low"].item() == output.metrics["clip_fraction_high"].item() == 0


@EVERY_LOSS
@settings(max_examples=20)
@given(lengths=LENGTHS, seed=st.integers(0, 999))
def test_reference_and_rollout_logprobs_act_only_if_asked_for(kind: Any, lengths: list[int], seed: int) -> None:
    batch = random_batch(lengths, seed)
    bare = replace(batch, reference_logprobs=None, rollout_logprobs=None)
    loss = kind()
    assert not loss.needs_reference_logprobs
    assert not loss.needs_rollout_logprobs
    assert loss(batch).loss.equal(loss(bare).loss)
    assert loss(batch).metrics.keys() == loss(bare).metrics.keys()


@EVERY_LOSS
def test_rows_without_advantage_have_no_policy_gradient(kind: Any) -> None:
    batch = rows([[0.5, 1.0, 2.0], [9.0, 1.0, 0.1]], [0.0, 0.0])
    output = kind()(batch)
    assert output.loss.item() == 0
    assert not gradient(output, batch).any()


@EVERY_LOSS
def test_a_micro_batch_without_rows_adds_nothing_and_has_the_same_keys(kind: Any) -> None:
    """A rank whose share is empty still runs the backward pass, or the others would wait for it."""
    whole = random_batch([2, 3], seed=1)
    loss = full(kind)
    empty = part(whole, [], trim=False)
    output = loss(empty)
    assert output.loss.item() == 0
    assert not gradient(output, whole).any()
    assert output.metrics.keys() == loss(whole).metrics.keys()


@EVERY_LOSS
def test_only_the_log_probabilities_of_the_policy_get_a_gradient(kind: Any) -> None:
    constants = ("old_logprobs", "reference_logprobs", "rollout_logprobs", "advantages")
    batch = random_batch([2, 3], seed=1)
    batch = replace(batch, **{name: getattr(batch, name).clone().requires_grad_() for name in constants})
    full(kind)(batch).loss.backward()
    assert batch.policy_logprobs.grad is not None
    assert all(getattr(batch, name).grad is None for name in constants)


@EVERY_LOSS
def test_extreme_log_ratios_give_finite_loss_and_gradient(kind: Any) -> None:
    batch = replace(
        rows([[1.0, 1.0]] * 4, [2.0, -2.0, 2.0, -2.0]),
        old_logprobs=torch.tensor([[-900.0] * 2, [-900.0] * 2, [0.0] * 2, [0.0] * 2], dtype=torch.float64),
    )
    single = replace(batch, policy_logprobs=batch.policy_logprobs.detach().float().requires_grad_())
    for inputs in (batch, single):
        output = kind()(inputs)
        assert output.loss.isfinite()
        assert gradient(output, inputs).isfinite().all()


@EVERY_LOSS
def test_a_row_without_a_number_for_an_advantage_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"advantages of rows \[0\]"):
        kind()(rows([[1.0], [1.0]], [math.nan, 1.0]))


def test_metrics_are_detached_sums_over_the_counts_of_the_batch() -> None:
    """Ratios 1.5, 1 (A = +1) and 0.5, 4 (A = -1): one token clipped above, one below, one by the dual clip."""
    output = DAPOLoss(reference_kl=ReferenceKL("k1", FixedCoefficient(0.5)))(
        rows([[1.5, 1.0], [0.5, 4.0]], [1.0, -1.0], reference_logprobs=torch.full((2, 2), -1.0, dtype=torch.float64))
    )
    log_sum = math.log(1.5) + math.log(0.5) + math.log(4)
    expected = {
        "ratio": 7 / 4,
        "old_kl": ((1 / 1.5 - 1) + 0 + (2 - 1) + (1 / 4 - 1) + log_sum) / 4,
        "clip_fraction_low": 1 / 4,
        "clip_fraction_high": 1 / 4,
        "clip_fraction_dual": 1 / 4,
        "policy_loss": (-1.28 - 1 + 0.8 + 3) / 4,
        "reference_kl": log_sum / 4,
    }
    assert {name: value.item() for name, value in output.metrics.items()} == pytest.approx(expected)
    assert not any(value.requires_grad for value in output.metrics.values())
    assert output.loss.item() == pytest.approx(expected["policy_loss"] + 0.5 * expected["reference_kl"])


def test_half_precision_log_probabilities_are_trained_in_float32() -> None:
    batch = rows([[1.5, 1.0]], [1.0])
    half = replace(batch, policy_logprobs=batch.policy_logprobs.detach().bfloat16().requires_grad_())
    output = DAPOLoss()(half)
    assert output.loss.dtype is torch.float32
    assert gradient(output, half).dtype is torch.bfloat16


def test_state_of_an_adaptive_coefficient_goes_through_a_checkpoint() -> None:
    def build() -> ComposedLoss:
        return GRPOLoss(reference_kl=ReferenceKL("k3", AdaptiveCoefficient(0.1, target=0.05, horizon=1000)))

    first, second = build(), build()
    first.end_step({"reference_kl": 0.5, "ratio": 1.0}, sequences=100)
    second.load_state_dict(first.state_dict())
    assert first.reference_kl is not None
    assert second.reference_kl is not None
    assert second.reference_kl.coefficient.value == first.reference_kl.coefficient.value == pytest.approx(0.102)


def test_a_loss_without_divergence_has_no_state_and_ends_a_step_without_it() -> None:
    loss = DAPOLoss(importance=MaskedImportance())
    loss.end_step({"ratio": 1.0}, sequences=8)
    assert loss.state_dict() == {}
    loss.load_state_dict({})
    later = DAPOLoss(reference_kl=ReferenceKL("k3", AdaptiveCoefficient(0.1, target=0.05, horizon=1000)))
    later.load_state_dict(loss.state_dict())  # a resumed run may add the term, which then begins as the spec says
    assert later.reference_kl is not None
    assert later.reference_kl.coefficient.value == 0.1
