"""Where decoding stands."""

from pathlib import Path

import torch

from medix.policy.decoding import next_positions
from tests.support.tiny import loaded, mixed_prompts
from tests.support.tolerances import LOGPROBS


def test_repeated_rows_and_kept_rows_decode_as_rows_of_their_own(tiny: dict[str, Path]) -> None:
    """Two padded prompts, twice each, rows 1 and 2 kept: the second copy of the first, the first copy of the second."""
    policy = loaded(tiny["qwen3_vl"]).eval()
    prompts = mixed_prompts(policy)[:2]
    token = torch.tensor([65, 66])
    plain = policy.prefill(prompts)
    policy.decode(plain, token)
    decoding = policy.prefill(prompts)
    decoding.repeat(2)
    assert decoding.logits.shape[0] == decoding.positions.shape[0] == 4
    assert decoding.keep([1, 2]) == [1, 2]
    policy.decode(decoding, token)
    torch.testing.assert_close(decoding.logits, plain.logits, rtol=0, atol=LOGPROBS)
    assert decoding.positions.tolist() == plain.positions.tolist()


def test_a_row_that_is_not_needed_stays_while_copying_the_others_costs_more(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"]).eval()
    decoding = policy.prefill(mixed_prompts(policy)[:3])
    before = decoding.logits
    assert decoding.keep([0, 2]) == [0, 1, 2]
    assert decoding.logits is before


def test_prompts_of_one_length_need_no_mask(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"]).eval()
    prompt = mixed_prompts(policy)[1]
    decoding = policy.prefill([prompt, prompt])
    assert decoding.attention_mask is None
    policy.decode(decoding, torch.tensor([65, 65]))
    assert decoding.attention_mask is None


def test_positions_have_as_many_axes_as_the_family_counts() -> None:
    positions = torch.tensor([7, 9])
    assert next_positions(positions, 1).tolist() == [[7], [9]]
    assert next_positions(positions, 3).tolist() == [[[7], [9]]] * 3
