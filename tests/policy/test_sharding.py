"""What an update does where one rank holds all weights."""

import math

import pytest
import torch
from torch import nn

from medix.policy.sharding import OneRank


@pytest.mark.parametrize(("limit", "moved"), [(None, 5.0), (10.0, 5.0), (1.0, 1.0)])
def test_a_step_is_as_long_as_the_clipped_gradient(limit: float | None, moved: float) -> None:
    """A gradient of (3, 4) has a norm of 5; a learning rate of 1 moves the weights by what is left of it."""
    weight, frozen = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2), requires_grad=False)
    weight.grad = torch.tensor([3.0, 4.0])
    assert OneRank().step(torch.optim.SGD([weight], lr=1.0), [weight, frozen], limit) == pytest.approx(5.0)
    assert float(weight.detach().norm()) == pytest.approx(moved)


def test_momentum_moves_a_weight_that_no_pass_of_the_update_has_used() -> None:
    """A gradient of 1, then none: 1, then 0.5 of it. Ranks that share gradients have a zero there."""
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0, momentum=0.5)
    weight.grad = torch.ones(1)
    OneRank().step(optimizer, [weight], None)
    OneRank().forget_gradient(optimizer)
    assert OneRank().step(optimizer, [weight], None) == 0.0
    assert float(weight.detach()) == -1.5


def test_a_gradient_that_is_not_finite_makes_no_step() -> None:
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([math.inf, 0.0])
    assert not math.isfinite(OneRank().step(torch.optim.SGD([weight], lr=1.0), [weight], 1.0))
    assert not weight.any()


def test_one_rank_makes_as_many_passes_as_it_likes_and_gathers_nothing() -> None:
    sharding, module = OneRank(), nn.Linear(1, 1)
    assert not sharding.gathers_weights
    assert not sharding.reduces_every_pass
    with sharding.gathered(module), sharding.micro_batch(is_last=False):
        sharding.release(module)
