"""Updates: planning, counting, and one gradient whatever the micro-batches."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.losses.aggregate import Aggregate, SequenceMean, SequenceSumNorm, TokenMean
from medix.losses.dapo import DAPOLoss
from medix.losses.dr_grpo import DrGRPOLoss
from medix.losses.gspo import GSPOLoss
from medix.modules import update as update_file
from medix.modules.loss_input import Denominators, count
from medix.modules.training_group import TrainingGroup
from medix.modules.update import Update
from medix.rollout.engine import Sampling
from medix.types import FinishReason
from tests.support.policies import BigramPolicy, group


class Module:
    """What an update needs of a GroupRLModule."""

    device = torch.device("cpu")

    def __init__(self, loss: Any, lr: float = 0.1) -> None:
        self.policy = BigramPolicy()
        self.loss = loss
        self.optimizer = torch.optim.SGD(self.policy.parameters(), lr=lr)

        class Engine:
            sampling = Sampling(temperature=1.0)

        self.engine = Engine()

    def optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer

    def parameters(self) -> Any:
        return self.policy.parameters()

    def manual_backward(self, loss: torch.Tensor) -> None:
        loss.backward()


def training_group(
    lengths: Sequence[int], advantages: Sequence[float], seed: int = 0, shift: float = 0.1
) -> TrainingGroup:
    rollout = group(BigramPolicy(), lengths, seed=seed)
    old = tuple(torch.tensor(c.logprobs) - shift for c in rollout.completions)
    return TrainingGroup(rollout, tuple(advantages), old)


GROUPS = [training_group([4, 2, 3], [1.0, -0.5, -0.5], seed=1), training_group([1, 5, 2], [-1.0, 0.2, 0.8], seed=2)]


def step(
    update: Update, loss: Any, groups: Sequence[TrainingGroup] = GROUPS
) -> tuple[torch.Tensor, dict[str, float], int]:
    module = Module(loss)
    metrics = update.step(module, groups)  # type: ignore[arg-type]
    return module.policy.scores.detach().clone(), metrics, module.policy.passes


@pytest.mark.parametrize(
    ("limit", "shares_prompts", "expected"),
    [
        (23, True, [[4, 2, 3, 1, 5, 2]]),
        (22, True, [[4, 2, 3], [1, 5, 2]]),
        (11, True, [[4, 2], [3], [1, 5, 2]]),
        (8, True, [[4], [2, 3], [1], [5], [2]]),
        (35, False, [[4, 2, 3, 1, 5, 2]]),
        (18, False, [[4, 2, 3], [1, 5, 2]]),
        (13, False, [[4, 2], [3], [1, 5], [2]]),
    ],
)
def test_microbatches_stay_within_the_limit_and_keep_order(
    limit: int, shares_prompts: bool, expected: list[list[int]]
) -> None:
    """Prompts of 3, completions of 4, 2, 3 and 1, 5, 2. With the prompt once the groups cost 3 + 9 = 12 and 3 + 8 = 11,
    23 together; with the prompt in every row 7 + 5 + 6 = 18 and 4 + 8 + 5 = 17."""
    batches = Update(prompts_per_update=2, tokens_per_microbatch=limit).microbatches(GROUPS, shares_prompts)
    lengths = [[len(c.token_ids) for part in batch for c in part.rollout.completions] for batch in batches]
    assert lengths == expected


def test_parts_of_a_group_pass_together_and_whole_groups_do_not() -> None:
    """A limit of 11 splits the first group alone: 12 tokens and 11."""
    asked: list[list[int]] = []

    class Parting(BigramPolicy):
        shares_prompts = True

        def logprobs_in_chunks(self, parts: Any, temperature: float = 1.0) -> Any:
            asked.append([len(part.completions) for part in parts])
            yield from super().logprobs_in_chunks(parts, temperature)

    module = Module(DAPOLoss())
    module.policy = Parting()
    module.optimizer = torch.optim.SGD(module.policy.parameters(), lr=0.1)
    Update(prompts_per_update=2, tokens_per_microbatch=11).step(module, GROUPS)  # type: ignore[arg-type]
    assert asked == [[2, 1]]
    assert module.policy.passes == 3
    whole, _, _ = step(Update(prompts_per_update=2), DAPOLoss())
    torch.testing.assert_close(module.policy.scores.detach(), whole, rtol=0, atol=1e-6)


def test_no_groups_make_no_update() -> None:
    assert list(Update(prompts_per_update=2).minibatches([])) == []


def test_a_group_without_completions_is_passed_over() -> None:
    empty = GROUPS[0].rows(0, 0)
    assert Update(prompts_per_update=2).microbatches([empty, GROUPS[1]]) == [[GROUPS[1]]]
    assert Update(prompts_per_update=2).microbatches([empty, empty]) == []


def cut(group: TrainingGroup) -> TrainingGroup:
    """The group, ended by the limit on tokens."""
    completions = tuple(replace(one, finish_reason=FinishReason.LENGTH) for one in group.rollout.completions)
    return replace(group, rollout=replace(group.rollout, completions=completions))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_an_update_without_completions_to_train_on_is_skipped_and_says_why(momentum: float) -> None:
    """Six completions, of which four were cut and two are unscored; an optimiser with momentum does not move either."""
    unscored = replace(GROUPS[0].rows(0, 2), advantages=(math.nan, math.nan))
    module = Module(DAPOLoss())
    module.optimizer = torch.optim.SGD(module.policy.parameters(), lr=0.1, momentum=momentum)
    update = Update(prompts_per_update=2, truncated="leave_out")
    update.step(module, GROUPS)  # type: ignore[arg-type]
    before = module.policy.scores.detach().clone()
    groups = [unscored, cut(GROUPS[1]), cut(GROUPS[0].rows(2, 3))]
    with pytest.warns(UserWarning, match=r"update was skipped.*4 of 6 were cut by max_completion_tokens.*truncated"):
        assert update.step(module, groups) == {"skipped_updates": 1.0}  # type: ignore[arg-type]
    assert torch.equal(module.policy.scores.detach(), before)


def test_groups_that_were_cut_whole_do_not_change_the_update_of_the_others() -> None:
    update = Update(prompts_per_update=2, truncated="leave_out")
    wanted, metrics, _ = step(update, DAPOLoss(), [GROUPS[1]])
    found, same, _ = step(update, DAPOLoss(), [cut(GROUPS[0]), GROUPS[1]])
    assert torch.equal(found, wanted)
    assert same == metrics


def test_a_rank_whose_completions_are_unscored_makes_a_pass_while_another_trains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other rank has six of 17 tokens; here no advantage is a number, and the loss would refuse such a row."""
    unscored = replace(GROUPS[0].rows(0, 2), advantages=(math.nan, math.nan))
    monkeypatch.setattr(update_file, "count", lambda groups, device: Denominators(17, 6, 5))
    module = Module(DAPOLoss())
    metrics = Update(prompts_per_update=1).accumulate(module, [unscored])  # type: ignore[arg-type]
    assert module.policy.passes == 1
    assert metrics["loss"] == 0.0
    assert module.policy.scores.grad is not None
    assert not module.policy.scores.grad.any()


def test_a_pass_for_nothing_gives_every_weight_a_gradient_of_zero_even_where_its_loss_is_not_finite() -> None:
    """As on a rank whose completions were all cut while another has some to train on."""
    module = Module(DAPOLoss())
    broken = replace(GROUPS[0].rows(0, 1), old=(torch.full((4,), -1e9),))
    sums: dict[str, float] = {}
    rows = module.policy.logprobs([broken.rollout])
    counts = count(GROUPS, module.device)
    Update(prompts_per_update=1)._accumulate(module, [broken], rows, counts, False, sums)  # type: ignore[arg-type]
    assert module.policy.scores.grad is not None
    assert not module.policy.scores.grad.any()
    counted: dict[str, float] = {}
    Update(prompts_per_update=1)._accumulate(  # type: ignore[arg-type]
        module, GROUPS, module.policy.logprobs([group.rollout for group in GROUPS]), counts, True, counted
    )
    assert sums == dict.fromkeys(counted, 0.0), "ranks add up the same metrics"


def test_a_row_beyond_the_limit_has_a_pass_of_its_own() -> None:
    batches = Update(prompts_per_update=2, tokens_per_microbatch=1).microbatches(GROUPS)
    assert [sum(len(part.rollout.completions) for part in batch) for batch in batches] == [1] * 6


@pytest.mark.parametrize(
    "loss",
    [
        DAPOLoss(),
        DAPOLoss(aggregate=SequenceMean()),
        GSPOLoss(0.2, 0.28),
        DrGRPOLoss(),
        DAPOLoss(aggregate=SequenceSumNorm()),
    ],
    ids=["token", "sequence", "gspo", "dr_grpo", "sum_norm"],
)
@pytest.mark.parametrize("limit", [1, 13, 20, 1000])
def test_microbatches_change_neither_weights_nor_metrics(loss: Any, limit: int) -> None:
    whole, metrics, passes = step(Update(prompts_per_update=2, tokens_per_microbatch=10**6), loss)
    parts, same, more = step(Update(prompts_per_update=2, tokens_per_microbatch=limit), loss)
    assert passes == 1
    assert more >= passes
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-6)
    assert same == pytest.approx(metrics, abs=1e-6, nan_ok=True)


def test_the_gradient_of_one_token_is_the_hand_derived_one() -> None:
    """One group, one completion of one token, advantage 2, ratio 1: loss -2 · ratio, so the gradient on the scores of
    the previous token's row is -2 · (onehot - softmax); SGD with rate 0.1 adds 0.2 · (onehot - softmax)."""
    one = group(BigramPolicy(), [1])
    training = TrainingGroup(one, (2.0,), (torch.tensor(one.completions[0].logprobs),))
    before = BigramPolicy().scores.detach()
    after, metrics, _ = step(Update(prompts_per_update=1, max_grad_norm=None), DAPOLoss(), [training])
    row, token = one.prompt.token_ids[-1], one.completions[0].token_ids[0]
    expected = before.clone()
    expected[row] += 0.2 * (torch.eye(7)[token] - before[row].softmax(-1))
    torch.testing.assert_close(after, expected)
    assert metrics["loss"] == pytest.approx(-2.0, abs=1e-6)


def test_clipping_scales_the_gradient_to_the_norm_and_reports_the_norm_before() -> None:
    before = BigramPolicy().scores.detach()
    free, metrics, _ = step(Update(prompts_per_update=2, max_grad_norm=None), DAPOLoss())
    clipped, same, _ = step(Update(prompts_per_update=2, max_grad_norm=0.01), DAPOLoss())
    assert (
        metrics["grad_norm"]
        == pytest.approx(same["grad_norm"])
        == pytest.approx(float((free - before).norm() / 0.1), rel=1e-5)
    )
    assert float((clipped - before).norm() / 0.1) == pytest.approx(0.01, rel=1e-3)


def test_a_gradient_that_is_not_finite_moves_nothing_and_is_counted() -> None:
    broken = TrainingGroup(GROUPS[0].rollout, (math.inf, 0.0, 0.0), GROUPS[0].old)
    before = BigramPolicy().scores.detach()

    class Exploding(DAPOLoss):
        def __call__(self, batch: Any) -> Any:
            output = super().__call__(batch)
            return type(output)(loss=output.loss * torch.inf, metrics=output.metrics)

    with pytest.warns(UserWarning, match="an update was skipped: its loss or gradient is not finite"):
        after, metrics, _ = step(Update(prompts_per_update=1), Exploding(), [GROUPS[0]])
    assert metrics["skipped_updates"] == 1.0
    torch.testing.assert_close(after, before)
    with pytest.raises(ValueError, match="advantages of rows"):
        step(Update(prompts_per_update=1), DAPOLoss(), [broken])


def test_a_negative_clip_norm_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"update\.max_grad_norm: -1.*null switches clipping off"):
        Update(prompts_per_update=1, max_grad_norm=-1)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 60), st.booleans())
def test_every_row_is_trained_exactly_once(lengths: list[int], limit: int, shares_prompts: bool) -> None:
    made = training_group(lengths, [0.0] * len(lengths))
    batches = Update(prompts_per_update=1, tokens_per_microbatch=limit).microbatches([made], shares_prompts)
    assert all(len(batch) == 1 for batch in batches)
    rows = [c for batch in batches for part in batch for c in part.rollout.completions]
    assert rows == list(made.rollout.completions)


def test_aggregates_are_what_the_docstrings_of_this_file_assume() -> None:
    assert isinstance(DAPOLoss().aggregate, TokenMean)
    assert isinstance(DAPOLoss().aggregate, Aggregate)
