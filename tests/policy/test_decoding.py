"""Where decoding stands."""

from pathlib import Path

import torch

from tests.support.tiny import loaded, mixed_prompts


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
    decoding.keep(torch.tensor([1, 2]))
    policy.decode(decoding, token)
    torch.testing.assert_close(decoding.logits, plain.logits, rtol=0, atol=1e-5)
    assert decoding.positions.tolist() == plain.positions.tolist()


def test_prompts_of_one_length_need_no_mask(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"]).eval()
    prompt = mixed_prompts(policy)[1]
    decoding = policy.prefill([prompt, prompt])
    assert decoding.attention_mask is None
    policy.decode(decoding, torch.tensor([65, 65]))
    assert decoding.attention_mask is None
