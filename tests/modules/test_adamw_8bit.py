"""Moments of 8 bits: they follow AdamW, move weights of 16 bits, and survive a checkpoint."""

from pathlib import Path
from typing import Any

import torch

from medix.modules.adamw_8bit import AdamW8bit


def trained(steps: int, dtype: torch.dtype, learning_rate: float, make: Any = AdamW8bit) -> tuple[torch.Tensor, Any]:
    """A matrix of 0.02, with gradients that differ by element and do not change."""
    weight = torch.nn.Parameter(torch.full((64, 128), 0.02, dtype=dtype))
    optimizer = make([weight], lr=learning_rate, weight_decay=0.0)
    for _ in range(steps):
        weight.grad = torch.linspace(0.5, 1.5, weight.numel()).view_as(weight).to(dtype)
        optimizer.step()
    return weight.detach(), optimizer


def test_in_float32_it_moves_weights_as_adamw_does() -> None:
    """Under constant gradients a step of AdamW is the learning rate; blocks of 8 bits are right to some percent."""
    found, _ = trained(5, torch.float32, 1e-3)
    torch.testing.assert_close(found, torch.full_like(found, 0.02 - 5e-3), rtol=0, atol=5e-4)


def test_steps_that_bf16_cannot_hold_add_up_on_average() -> None:
    """Five steps of 1e-6 lower the mean of 8,192 weights by 5e-6; rounded to the nearest, not one of them moves."""
    torch.manual_seed(0)
    found, _ = trained(5, torch.bfloat16, 1e-6)
    assert 2e-6 < 0.02 - float(found.double().mean()) - (0.02 - float(torch.tensor(0.02).bfloat16())) < 8e-6
    kept, _ = trained(5, torch.bfloat16, 1e-6, torch.optim.AdamW)
    assert (kept == torch.tensor(0.02).bfloat16()).all()


def test_two_bytes_are_kept_for_a_weight_and_come_back_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weight, optimizer = trained(2, torch.bfloat16, 1e-3)
    [state] = optimizer.state.values()
    assert {name: value.dtype for name, value in state.items() if name.endswith("codes")} == {
        "exp_avg_codes": torch.uint8, "exp_avg_sq_codes": torch.uint8,
    }  # fmt: skip
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    again = AdamW8bit([torch.nn.Parameter(weight.clone())])
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    [restored] = again.state.values()
    assert state.keys() == restored.keys()
    for name, value in state.items():
        assert value.dtype == restored[name].dtype
        assert torch.equal(value, restored[name])


def test_ranks_that_hold_all_weights_round_them_alike_whatever_else_they_drew() -> None:
    """Steps of 1e-6 are less than a bit of bf16: which weights move is decided by random numbers alone."""
    torch.manual_seed(1)
    one, _ = trained(3, torch.bfloat16, 1e-6)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    other, _ = trained(3, torch.bfloat16, 1e-6)
    assert 0 < int((one != torch.tensor(0.02).bfloat16()).sum()) < one.numel()
    assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_step_rounds_by_other_random_numbers() -> None:
    """With the same ones in each, the weights that have moved would be those that move again, and no others ever."""
    moved = [trained(steps, torch.bfloat16, 1e-6)[0] != torch.tensor(0.02).bfloat16() for steps in (1, 3)]
    assert int(moved[1].sum()) > 2 * int(moved[0].sum()) > 0


def test_moments_of_small_weights_shrink_when_gradients_do() -> None:
    """In bfloat16 the second moment would stay: 0.999 of a number rounds to the number. Also after a restart."""
    weight = torch.nn.Parameter(torch.ones(64, dtype=torch.bfloat16))
    optimizer = AdamW8bit([weight], weight_decay=0.0)
    for step in range(200):
        if step == 100:
            restored = AdamW8bit([weight])
            restored.load_state_dict(optimizer.state_dict())
            optimizer = restored
        weight.grad = torch.full_like(weight, 1.0 if step == 0 else 0.0)
        optimizer.step()
    [state] = optimizer.state.values()
    torch.testing.assert_close(state["exp_avg_sq"], torch.full((64,), 0.001 * 0.999**199), rtol=1e-4, atol=0)
