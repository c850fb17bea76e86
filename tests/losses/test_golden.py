"""Every row of the golden file: what public implementations return on one batch, matched, or said why not."""

import re

import pytest

from medix.losses import (
    Aggregate,
    CISPOLoss,
    DAPOLoss,
    DrGRPOLoss,
    FixedCoefficient,
    GroupLoss,
    GRPOLoss,
    GSPOLoss,
    GSPOTokenLoss,
    MaskedImportance,
    ReferenceKL,
    SequenceMean,
    SequenceSum,
    TokenMean,
    TruncatedImportance,
)
from tests.losses.cases import RESULTS, golden_batch, measure

TOKEN = DAPOLoss(0.2, 0.28)
SEQUENCE = GRPOLoss(0.2, 0.28)
SUM_NORM = DrGRPOLoss(0.2, 0.28)


def gspo(aggregate: Aggregate) -> GroupLoss:
    return GSPOLoss(0.2, 0.28, aggregate)


def gspo_token(aggregate: Aggregate) -> GroupLoss:
    return GSPOTokenLoss(0.2, 0.28, aggregate)


MATCHED: dict[str, GroupLoss] = {
    "verl.vanilla[token-mean],0.2/0.28,c=3": TOKEN,
    "verl.vanilla[seq-mean-token-mean],0.2/0.28,c=3": SEQUENCE,
    "verl.vanilla[seq-mean-token-sum],0.2/0.28,c=3": DAPOLoss(aggregate=SequenceSum()),
    "verl.vanilla[seq-mean-token-sum-norm],0.2/0.28,c=3": SUM_NORM,
    "verl.gspo(3e-4/4e-4)": GSPOLoss(),
    "verl.gspo(0.2/0.28)": gspo(SequenceMean()),
    "verl.cispo(0.2/0.28)": CISPOLoss(0.2),
    "easyr1.default[token]": TOKEN,
    "easyr1.default[seq]": SEQUENCE,
    "easyr1.gspo[token]": gspo(TokenMean()),
    "easyr1.gspo[seq]": gspo(SequenceMean()),
    "easyr1.gspo_token[token]": gspo_token(TokenMean()),
    "easyr1.gspo_token[seq]": gspo_token(SequenceMean()),
    "easyr1.cispo[token]": CISPOLoss(0.2),
    "easyr1.cispo[seq]": CISPOLoss(0.2, aggregate=SequenceMean()),
    "easyr1.outer_scaled[token] 1x8": TOKEN,
    "easyr1.outer_scaled[token] 2x4": TOKEN,
    "easyr1.outer_scaled[token] 8x1": TOKEN,
    "easyr1.outer_scaled[seq] 1x8": SEQUENCE,
    "medix.default[token]": TOKEN,
    "medix.default[seq]": SEQUENCE,
    "medix.gspo_token[token]": gspo_token(TokenMean()),
    "medix.gspo_token[seq]": gspo_token(SequenceMean()),
    "medix.cispo[token]": CISPOLoss(0.2),
    "medix.cispo[seq]": CISPOLoss(0.2, aggregate=SequenceMean()),
    "medix.outer_scaled[token] 1x8": TOKEN,
    "medix.outer_scaled[token] 2x4": TOKEN,
    "medix.outer_scaled[token] 8x1": TOKEN,
    "medix.outer_scaled[seq] 1x8": SEQUENCE,
    "openrlhf.ppo token 0.2/0.28": TOKEN,
    "openrlhf.ppo seq 0.2/0.28": SEQUENCE,
    "openrlhf.ppo token dual3": TOKEN,
    "openrlhf.gspo 0.2/0.28": gspo(SequenceMean()),
    "openrlhf.ppo token TIS[0.5,1.05]": DAPOLoss(importance=TruncatedImportance(0.5, 1.05)),
    "openrlhf.ppo token icepop[0.95,1.05]": DAPOLoss(importance=MaskedImportance(0.95, 1.05)),
    "trl.grpo[token] 0.2/0.28": SEQUENCE,
    "trl.bnpo[token] 0.2/0.28": TOKEN,
    "trl.dapo[token] 0.2/0.28": TOKEN,
    "trl.dr_grpo[token] 0.2/0.28": SUM_NORM,
    "trl.grpo[sequence]=GSPO 0.2/0.28": gspo(SequenceMean()),
    "trl.grpo[token] beta=.04": GRPOLoss(0.2, 0.28, reference_kl=ReferenceKL("k3", FixedCoefficient(0.04))),
    "trl.cispo eps_high=1.28": CISPOLoss(),  # the bound itself, not its distance from 1
    "trl.cispo eps_high=5": CISPOLoss(clip_high=4),
    "trl.dapo delta=1.5": DAPOLoss(dual_clip=1.5),
    "trl.dapo TIS token_truncate C=1.05": DAPOLoss(importance=TruncatedImportance(high=1.05)),
}

MATCHED_ELSEWHERE = {
    "advantages: tests/advantages": r"(verl|easyr1|medix)\.(grpo|rloo)_adv|verl\.dr_grpo_adv|composite .*",
    "divergences: test_reference_kl.py": r"(verl|easyr1)\.kl\[(kl|mse|low_var_kl)\]\.token_mean",
    "controller: test_coefficient.py": r"easyr1\.adaptive_kl.*",
}

NOT_MATCHED = {
    "raises: a [row] ratio meets a [row, time] mask; GSPOLoss gives what easyr1.gspo gives":
        r"medix\.gspo\[(token|seq)\]",
    "micro-batches of a sequence mean are re-weighted by their tokens, so the loss depends on the split; ours does not":
        r"(easyr1|medix)\.outer_scaled\[seq\] (2x4|8x1)",
    "the two implementations of pass@k disagree, and medix has no pass@k advantage": r"(easyr1|medix)\.passk_adv",
    "|log-ratio| estimates no divergence": r"(verl|easyr1)\.kl\[abs\]\.token_mean",
    "soft gates in place of a clip: a loss medix does not have": r"(easyr1\.sapo\[.*|trl\.sapo\[token\] 0\.2/0\.28)",
    "advantages over the batch or per component: ones medix does not have":
        r"verl\.(reinforce_pp_adv|reinforce_pp_baseline_adv|gdpo_adv)|trl\.adv\((batch|GDPO.*)\)",
    "eps 1e-4 in place of 1e-6": r"trl\.adv\(group\)",
    "float32, or the standard deviation of the others: parts of advantages medix does not have": r"nemo\..*",
}  # fmt: skip


@pytest.mark.parametrize("row", MATCHED)
def test_row_is_matched_in_loss_and_gradient(row: str) -> None:
    assert measure(MATCHED[row], golden_batch()) == pytest.approx(RESULTS[row], abs=1e-6)


@pytest.mark.parametrize("row", RESULTS)
def test_row_is_matched_or_documented_once(row: str) -> None:
    patterns = [*MATCHED_ELSEWHERE.values(), *NOT_MATCHED.values()]
    assert (row in MATCHED) + sum(re.fullmatch(pattern, row) is not None for pattern in patterns) == 1


@pytest.mark.parametrize("split", ["2x4", "8x1"])
def test_the_public_sequence_mean_depends_on_the_split_and_disagrees_with_the_whole_batch(split: str) -> None:
    ours = SEQUENCE(golden_batch()).loss.item()
    assert abs(RESULTS[f"medix.outer_scaled[seq] {split}"]["loss"] - ours) > 5e-4


@pytest.mark.parametrize("row", ["medix.gspo[token]", "medix.gspo[seq]"])
def test_the_public_sequence_ratio_raises(row: str) -> None:
    assert RESULTS[row].startswith("RAISES")
