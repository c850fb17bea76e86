"""Whether two engines, or batches, sampled the same completions of a prompt, up to rounding."""

from collections.abc import Sequence
from dataclasses import replace

from medix.policy.reference import in_evaluation
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import Sampling
from medix.rollout.local import uniform_draws
from medix.rollout.token_picker import TokenPicker
from medix.types import Prompt
from tests.support.tolerances import LOGPROBS

Tokens = Sequence[int]


def assert_same_draws(
    policy: VisionLanguagePolicy,
    prompt: Prompt,
    sampling: Sampling,
    found: Sequence[Tokens],
    expected: Sequence[Tokens],
) -> None:
    """The tokens of each completion are equal up to a first one where rounding decides.

    Rounding decides between two tokens if their logits are equal within it (greedy), or if the random number lies
    within it of the boundary between their intervals of the cumulative distribution.
    """
    for row, (one, other) in enumerate(zip(found, expected, strict=True)):
        if list(one) == list(other):
            continue
        step = next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
        assert step is not None, f"completion {row} ends after {len(one)} or after {len(other)} tokens"
        distance = _distance(policy, prompt, sampling, row, tuple(one[:step]), sorted((one[step], other[step])))
        assert distance <= LOGPROBS, f"completion {row} differs at token {step}, {distance:.1e} from a tie"


def _distance(
    policy: VisionLanguagePolicy, prompt: Prompt, sampling: Sampling, row: int, written: Tokens, tokens: Sequence[int]
) -> float:
    """How much rounding it takes to pick the one or the other token after those written."""
    low, high = tokens
    with in_evaluation(policy):
        logits = policy.prefill([replace(prompt, token_ids=(*prompt.token_ids, *written))]).logits
    picker = TokenPicker(sampling, policy.banned_token_ids)
    logprobs = picker.logprobs(logits)
    if sampling.temperature == 0:
        top = logprobs[0].max()
        return float(top - logprobs[0, [low, high]].min())
    cumulative = picker.filtered(logprobs)[0].exp().double().cumsum(dim=0)
    boundaries = cumulative[[low, high - 1]] / cumulative[-1]
    return float((boundaries - uniform_draws(prompt, sampling)[row, len(written)]).abs().max())
