"""Log-probabilities in chunks, against the softmax written out."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from medix.numerics.logprobs import token_entropy, token_logprobs


def plain(logits: torch.Tensor, tokens: torch.Tensor, temperature: float, banned: tuple[int, ...]) -> torch.Tensor:
    scores = logits / temperature
    if banned:
        scores = scores.index_fill(1, torch.tensor(banned), -math.inf)
    return scores.log_softmax(1).gather(1, tokens[:, None]).squeeze(1)


def test_probabilities_of_one_two_and_five_eighths() -> None:
    """Logits log 1, log 2, log 5 give 1/8, 2/8, 5/8."""
    logits = torch.tensor([1.0, 2.0, 5.0]).log().expand(3, 3)
    assert token_logprobs(logits, torch.arange(3)).exp().tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8])


def test_temperature_divides_the_logits() -> None:
    """At temperature 2 the weights 1, 4, 9 become 1, 2, 3."""
    logits = torch.tensor([1.0, 4.0, 9.0]).log().expand(3, 3)
    assert token_logprobs(logits, torch.arange(3), temperature=2.0).exp().tolist() == pytest.approx(
        [1 / 6, 2 / 6, 3 / 6]
    )


def test_banned_ids_are_outside_the_softmax() -> None:
    """Without the third id, 1/8 and 2/8 become 1/3 and 2/3; the banned id itself is impossible."""
    logits = torch.tensor([1.0, 2.0, 5.0]).log().expand(3, 3)
    assert token_logprobs(logits, torch.arange(3), banned=(2,)).exp().tolist() == pytest.approx([1 / 3, 2 / 3, 0])


def test_a_banned_id_has_no_gradient_even_where_it_was_chosen() -> None:
    logits = torch.tensor([[1.0, 2.0, 5.0]]).log().requires_grad_()
    token_logprobs(logits, torch.tensor([2]), banned=(2,)).sum().backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx([-1 / 3, -2 / 3, 0])


def test_entropy_of_a_uniform_choice_among_the_allowed() -> None:
    logits = torch.zeros(2, 4)
    assert token_entropy(logits).tolist() == pytest.approx([math.log(4)] * 2)
    assert token_entropy(logits, banned=(0, 3)).tolist() == pytest.approx([math.log(2)] * 2)


@given(
    rows=st.integers(1, 7),
    chunk_rows=st.integers(1, 8),
    temperature=st.sampled_from([0.6, 1.0, 1.7]),
    banned=st.sampled_from([(), (0,), (2, 4)]),
    seed=st.integers(0, 99),
)
def test_chunks_change_neither_value_nor_gradient(
    rows: int, chunk_rows: int, temperature: float, banned: tuple[int, ...], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, 5, generator=generator, dtype=torch.float64).mul_(3).requires_grad_()
    allowed = torch.tensor([token for token in range(5) if token not in banned])
    tokens = allowed[torch.randint(len(allowed), (rows,), generator=generator)]
    weights = torch.randn(rows, generator=generator, dtype=torch.float64)
    expected = plain(logits, tokens, temperature, banned)
    got = token_logprobs(logits, tokens, temperature, banned, chunk_rows)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    wanted = torch.autograd.grad((expected * weights).sum(), logits)[0]
    actual = torch.autograd.grad((got * weights).sum(), logits)[0]
    torch.testing.assert_close(actual, wanted, rtol=1e-12, atol=1e-12)
    probabilities = logits.detach().div(temperature).index_fill(1, torch.tensor(banned, dtype=torch.long), -math.inf)
    entropy = torch.distributions.Categorical(probs=probabilities.softmax(1)).entropy()
    torch.testing.assert_close(token_entropy(logits, temperature, banned, chunk_rows), entropy, rtol=1e-9, atol=1e-9)


class LargestWideTensor(TorchDispatchMode):
    """Notes the size of the largest float32 tensor any operation returns."""

    size = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.dtype is torch.float32:
            self.size = max(self.size, result.numel())
        return result


def test_no_wide_tensor_is_larger_than_a_chunk_forward_or_backward() -> None:
    logits = torch.randn(64, 100).to(torch.bfloat16).requires_grad_()
    tokens = torch.randint(100, (64,))
    with LargestWideTensor() as largest:
        token_logprobs(logits, tokens, banned=(3,), chunk_rows=4).sum().backward()
        token_entropy(logits.detach(), banned=(3,), chunk_rows=4)
    assert largest.size == 4 * 100
    with LargestWideTensor() as largest:
        plain(logits.float(), tokens, 1.0, ()).sum().backward()
    assert largest.size == 64 * 100  # the plain way does, so the measurement can fail


def test_low_precision_logits_give_float32_values_and_their_own_gradient_dtype() -> None:
    logits = torch.randn(5, 9).to(torch.bfloat16).requires_grad_()
    tokens = torch.randint(9, (5,))
    values = token_logprobs(logits, tokens)
    values.sum().backward()
    assert values.dtype is torch.float32
    torch.testing.assert_close(values, plain(logits.float(), tokens, 1.0, ()))
    assert logits.grad is not None
    assert logits.grad.dtype is torch.bfloat16


def test_leading_shapes_are_kept_and_no_rows_are_fine() -> None:
    logits, tokens = torch.randn(2, 3, 5), torch.randint(5, (2, 3))
    assert token_logprobs(logits, tokens)[1, 2].item() == pytest.approx(
        logits[1, 2].log_softmax(0)[tokens[1, 2]].item()
    )
    assert token_entropy(logits).shape == (2, 3)
    assert token_logprobs(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long)).shape == (0,)


def test_the_logits_are_left_as_they_were() -> None:
    logits = torch.randn(3, 5)
    before = logits.clone()
    token_logprobs(logits, torch.tensor([0, 1, 2]), temperature=0.5, banned=(4,))
    token_entropy(logits, temperature=0.5, banned=(4,))
    assert logits.equal(before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": 0.0}, "temperature must be positive, got 0.0"),
        ({"chunk_rows": 0}, "chunk_rows must be at least 1, got 0"),
        ({"banned": (1, 5, -1)}, r"banned ids \[5, -1\] are outside the vocabulary of 5"),
    ],
)
def test_impossible_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        token_logprobs(torch.zeros(1, 5), torch.zeros(1, dtype=torch.long), **arguments)
    if "banned" not in arguments:
        with pytest.raises(ValueError, match=message):
            token_entropy(torch.zeros(1, 5), **arguments)
