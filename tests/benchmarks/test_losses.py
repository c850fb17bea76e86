"""Time of a loss and of chunked log-probabilities at small sizes; ``pytest --benchmark-enable`` measures."""

from typing import Any

import pytest
import torch

from medix.losses import CISPOLoss, DAPOLoss, GroupLoss, GSPOLoss, LossInput
from medix.numerics.logprobs import token_logprobs
from medix.numerics.masking import prefix_mask


@pytest.mark.parametrize("loss", [DAPOLoss(), GSPOLoss(), CISPOLoss()], ids=lambda loss: type(loss).__name__)
def test_loss_forward_and_backward(benchmark: Any, loss: GroupLoss) -> None:
    """40 completions of up to 256 tokens."""
    old = -torch.rand(40, 256)
    policy = (old + 0.1 * torch.randn_like(old)).requires_grad_()
    mask = prefix_mask(torch.randint(1, 257, (40,)), 256)
    batch = LossInput.from_batch(policy, old, torch.randn(40), mask)

    def step() -> torch.Tensor:
        policy.grad = None
        loss(batch).loss.backward()
        assert policy.grad is not None
        return policy.grad

    assert benchmark(step).isfinite().all()


@pytest.mark.parametrize("way", ["chunked", "plain"])
def test_token_logprobs_forward_and_backward(benchmark: Any, way: str) -> None:
    """256 tokens, a vocabulary of 4,096, bfloat16 logits."""
    logits = torch.randn(256, 4096).to(torch.bfloat16).requires_grad_()
    tokens = torch.randint(4096, (256,))

    def step() -> torch.Tensor:
        logits.grad = None
        if way == "chunked":
            values = token_logprobs(logits, tokens, chunk_rows=64)
        else:
            values = logits.float().log_softmax(1).gather(1, tokens[:, None])
        values.sum().backward()
        assert logits.grad is not None
        return logits.grad

    assert benchmark(step).isfinite().all()
