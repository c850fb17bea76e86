"""What a resumed run takes from its own spec, and what from the checkpoint."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import LBFGS, SGD, Adagrad, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

from medix.modules.checkpoint import SpecMismatchError
from medix.modules.optimizer_settings import OptimizerSettings

Schedule = Callable[[Optimizer], Any] | None
SCHEDULES: dict[str, Schedule] = {
    "none": None,
    "cosine": lambda optimizer: CosineAnnealingLR(optimizer, 20),
    "longer cosine": lambda optimizer: CosineAnnealingLR(optimizer, 40),
    "warm-up": lambda optimizer: SequentialLR(
        optimizer, [LinearLR(optimizer, 0.1, total_iters=3), CosineAnnealingLR(optimizer, 10)], [3]
    ),
    "one cycle": lambda optimizer: OneCycleLR(optimizer, 0.5, 20),
    "lambda": lambda optimizer: LambdaLR(optimizer, lambda step: 1 / (1 + step)),
}


class Training:
    """One weight, trained for some steps with a schedule stepped once a step."""

    def __init__(self, make: Callable[[Any], Optimizer], schedule: str = "none") -> None:
        self.weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        self.optimizer = make([self.weight])
        maker = SCHEDULES[schedule]
        self.scheduler = None if maker is None else maker(self.optimizer)
        self.settings = OptimizerSettings(self.optimizer, self.scheduler)

    def steps(self, count: int) -> "Training":
        for _ in range(count):
            self.weight.grad = self.weight.detach() ** 2
            self.optimizer.step()
            if self.scheduler is not None:
                self.scheduler.step()
        return self

    def resume(self, other: "Training", step: int) -> "Training":
        """Go on from another training, as Lightning and the module do."""
        with torch.no_grad():
            self.weight.copy_(other.weight)
        self.optimizer.load_state_dict(other.optimizer.state_dict())
        schedule = None if other.scheduler is None else other.scheduler.state_dict()
        self.settings.apply(other.settings.state_dict(), schedule, self.optimizer, self.scheduler, step)
        return self

    @property
    def lr(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_a_change_the_trajectory_is_the_uninterrupted_one(schedule: str) -> None:
    def make(weights: Any) -> Optimizer:
        return AdamW(weights, lr=0.1)

    straight = Training(make, schedule).steps(7)
    resumed = Training(make, schedule).resume(Training(make, schedule).steps(4), 4).steps(3)
    assert torch.equal(straight.weight, resumed.weight)
    assert resumed.lr == straight.lr


@pytest.mark.parametrize("before", SCHEDULES)
@pytest.mark.parametrize("after", SCHEDULES)
def test_a_changed_rate_and_schedule_are_those_of_a_run_that_had_them_from_the_start(before: str, after: str) -> None:
    """Whichever schedule was there before: after 4 + 3 steps the learning rate is that of the new one at step 7."""
    old = Training(lambda weights: AdamW(weights, lr=0.1, weight_decay=0.1), before).steps(4)
    moments = old.optimizer.state_dict()["state"][0]["exp_avg"].clone()
    resumed = Training(lambda weights: AdamW(weights, lr=0.02, weight_decay=0.3, betas=(0.8, 0.9)), after)
    resumed.resume(old, 4)
    expected = Training(lambda weights: AdamW(weights, lr=0.02, weight_decay=0.3, betas=(0.8, 0.9)), after).steps(4)
    for name in ("lr", "weight_decay", "betas"):
        assert resumed.optimizer.param_groups[0][name] == pytest.approx(expected.optimizer.param_groups[0][name])
    assert torch.equal(resumed.optimizer.state_dict()["state"][0]["exp_avg"], moments), "the moments stay"
    assert resumed.steps(3).lr == pytest.approx(expected.steps(3).lr)


def test_a_second_resume_keeps_what_the_first_changed() -> None:
    first = Training(lambda weights: SGD(weights, lr=0.1, momentum=0.9)).steps(2)
    second = Training(lambda weights: SGD(weights, lr=0.5, momentum=0.9)).resume(first, 2).steps(2)
    third = Training(lambda weights: SGD(weights, lr=0.5, momentum=0.9)).resume(second, 4)
    assert third.lr == 0.5


def test_another_optimizer_is_refused_by_name() -> None:
    saved = Training(lambda weights: AdamW(weights, lr=0.1)).settings.state_dict()
    present = Training(lambda weights: SGD(weights, lr=0.1)).settings
    with pytest.raises(SpecMismatchError, match=r"model.optimizer: torch.optim.adamw.AdamW in the checkpoint, .*SGD"):
        present.check(saved)
    with pytest.raises(SpecMismatchError, match=r"start afresh in another trainer.default_root_dir"):
        Training(lambda weights: Adam(weights, lr=0.1)).settings.check(saved)


def test_the_recorded_settings_can_be_read_without_pickle(tmp_path: Any) -> None:
    saved = Training(lambda weights: AdamW(weights, lr=torch.tensor(0.1)), "lambda").settings.state_dict()
    torch.save(saved, tmp_path / "saved")
    assert torch.load(tmp_path / "saved", weights_only=True) == saved


def test_what_needs_more_than_a_step_has_is_refused_before_the_first() -> None:
    """Otherwise the run ends after its first step with the TypeError of a call."""
    weights = [torch.nn.Parameter(torch.zeros(2))]
    with pytest.raises(ValueError, match=r"model\.optimizer: LBFGS needs closure in every step"):
        OptimizerSettings(LBFGS(weights))
    optimizer = AdamW(weights)
    with pytest.raises(ValueError, match=r"model\.lr_scheduler: ReduceLROnPlateau needs metrics in every step"):
        OptimizerSettings(optimizer, ReduceLROnPlateau(optimizer))


def test_an_option_that_the_state_in_a_checkpoint_does_not_allow_is_refused_by_name_before_a_step() -> None:
    """With amsgrad the first step would end in the KeyError of an entry that was never made."""
    saved = Training(lambda weights: AdamW(weights, lr=0.1)).steps(2).settings.state_dict()
    present = Training(lambda weights: AdamW(weights, lr=0.1, amsgrad=True)).settings
    with pytest.raises(SpecMismatchError, match=r"amsgrad False in the checkpoint and True here.*no max_exp_avg_sq"):
        present.check(saved, lambda weights: AdamW(weights, lr=0.1, amsgrad=True))


def test_an_option_that_the_state_in_a_checkpoint_outlasts_is_said_to_have_no_effect() -> None:
    saved = Training(lambda weights: Adagrad(weights, lr=0.1)).steps(2).settings.state_dict()
    present = Training(lambda weights: Adagrad(weights, lr=0.1, initial_accumulator_value=1)).settings
    with pytest.warns(UserWarning, match="the new initial_accumulator_value has no effect"):
        present.check(saved, lambda weights: Adagrad(weights, lr=0.1, initial_accumulator_value=1))
