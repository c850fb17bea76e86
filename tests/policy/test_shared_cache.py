"""Keys and values that completions share; whole logits are compared in test_shared_decoding."""

import math

import pytest
import torch
from transformers import DynamicCache

from medix.policy.decoding import Decoding
from medix.policy.shared_cache import SharedCache


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_scores_of_attention_stay_float32_under_autocast(dtype: torch.dtype) -> None:
    """By hand: query 3, the key of the prompt 1, the completion's own 1 + 2**-7, values 1 and 0, scale 1.

    All are exact in bfloat16, and so is the score 3, but 3 · (1 + 2**-7) = 3.0234375 is rounded to 3.03125 by it. The
    weight of the prompt is 1 / (1 + exp(3 · 2**-7)) = 0.494141…; rounded scores would give 0.492188….
    """
    prefilled = DynamicCache()
    prefilled.update(torch.ones(1, 1, 1, 1, dtype=dtype), torch.ones(1, 1, 1, 1, dtype=dtype), 0)
    prompt = Decoding(torch.zeros(1, 4), prefilled, None, torch.zeros(1, dtype=torch.long))
    cache = SharedCache([prompt], completions=1, room=1)
    own = torch.full((1, 1, 1), 1 + 2**-7, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        output = cache.attend(torch.full((1, 1, 1), 3.0), own, torch.zeros_like(own), 0, 1.0)
    wanted = torch.tensor(1 / (1 + math.exp(3 * 2**-7))).to(dtype)
    assert output.dtype == dtype
    torch.testing.assert_close(output.flatten()[0], wanted, rtol=0, atol=1e-6)
