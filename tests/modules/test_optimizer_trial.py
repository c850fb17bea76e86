"""Changed options of an optimizer on a state that was made without them."""

from functools import partial
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, Optimizer, RMSprop, Rprop

from medix.modules.optimizer_settings import _plain
from medix.modules.optimizer_trial import OptimizerTrial


class Momentum(Optimizer):
    """An optimizer of a user's own: its state has a mean only if it is asked for one."""

    def __init__(self, params: Any, lr: float = 0.1, mean: bool = False) -> None:
        super().__init__(params, {"lr": lr, "mean": mean})

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state and group["mean"]:
                    state["mean"] = torch.zeros_like(weight)
                state["step"] = state.get("step", 0) + 1
                update = state["mean"].lerp_(weight.grad, 0.5) if group["mean"] else weight.grad
                weight.data.add_(update, alpha=-group["lr"])


def trial(kind: Any, before: dict[str, Any], now: dict[str, Any]) -> tuple[OptimizerTrial, Any, Any]:
    weights = [torch.nn.Parameter(torch.zeros(2))]
    old, new = (_plain(kind(weights, **options).param_groups[0]) for options in (before, now))
    return OptimizerTrial(partial(kind, **now), torch.device("cpu"), torch.float32), old, new


@pytest.mark.parametrize(
    ("kind", "before", "now", "names", "entry"),
    [
        (AdamW, {}, {"amsgrad": True}, ["amsgrad"], "max_exp_avg_sq"),
        (Adam, {"lr": 0.1}, {"lr": 0.2, "amsgrad": True}, ["amsgrad"], "max_exp_avg_sq"),
        (RMSprop, {}, {"momentum": 0.9}, ["momentum"], "momentum_buffer"),
        (RMSprop, {}, {"centered": True, "momentum": 0.9}, ["momentum", "centered"], "grad_avg, momentum_buffer"),
        (Momentum, {}, {"mean": True}, ["mean"], "mean"),
    ],
)
def test_an_option_whose_entries_the_state_lacks_is_named(
    kind: Any, before: dict[str, Any], now: dict[str, Any], names: list[str], entry: str
) -> None:
    tried, old, new = trial(kind, before, now)
    assert tried.unusable(old, new) == (names, f"its state in the checkpoint has no {entry}")


@pytest.mark.parametrize(
    ("kind", "before", "now"),
    [
        (AdamW, {"amsgrad": True}, {"amsgrad": False}),
        (AdamW, {}, {"lr": 0.5, "betas": (0.5, 0.6), "eps": 1e-3, "weight_decay": 0.5, "foreach": True}),
        (SGD, {}, {"momentum": 0.9}),
        (SGD, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}),
        (RMSprop, {"momentum": 0.9, "centered": True}, {}),
        (NAdam, {}, {"decoupled_weight_decay": True, "weight_decay": 0.1}),
        (Momentum, {"mean": True}, {}),
    ],
)
def test_what_a_step_can_use_is_not_refused_and_has_an_effect(
    kind: Any, before: dict[str, Any], now: dict[str, Any]
) -> None:
    tried, old, new = trial(kind, before, now)
    assert tried.unusable(old, new) == ([], "")
    assert not tried.without_effect(old, new)


def test_what_only_sets_the_beginning_of_a_state_has_no_effect_on_one_that_is_there() -> None:
    tried, old, new = trial(Adagrad, {}, {"initial_accumulator_value": 0.1, "lr": 0.5})
    assert tried.unusable(old, new) == ([], "")
    assert tried.without_effect(old, new) == ["initial_accumulator_value"]
    tried, old, new = trial(Rprop, {}, {"lr": 0.5})
    assert tried.without_effect(old, new) == ["lr"]


def test_a_step_that_cannot_be_tried_says_nothing_and_random_numbers_stay() -> None:
    def fails(weights: Any) -> Optimizer:
        torch.rand(3)
        raise RuntimeError(weights)

    before = torch.random.get_rng_state()
    assert OptimizerTrial(fails, torch.device("cpu"), torch.float32).unusable({"a": 1}, {"a": 2}) == ([], "")
    assert torch.equal(torch.random.get_rng_state(), before)
