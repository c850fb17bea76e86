"""What an optimizer keeps, and what a step needs beside it."""

from typing import Any

import pytest
import torch

from medix.doctor.optimizer_bytes import OptimizerBytes
from medix.modules.adamw_8bit import AdamW8bit


@pytest.mark.parametrize(
    ("optimizer", "weight", "state"),
    [
        (lambda p: torch.optim.AdamW(p), 4, 8.0),
        (lambda p: torch.optim.AdamW(p), 2, 4.0),
        (lambda p: torch.optim.AdamW(p, amsgrad=True), 4, 12.0),
        (lambda p: torch.optim.SGD(p, lr=0.1), 4, 0.0),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9), 4, 4.0),
        (lambda p: torch.optim.Adafactor(p), 4, 0.03),  # a row and a column
        (lambda p: AdamW8bit(p), 2, 2.03),  # and a scale of 4 bytes for each block of 256, twice
    ],
    ids=["adamw", "adamw in 16 bits", "amsgrad", "sgd", "momentum", "adafactor", "adamw in 8 bits"],
)
def test_optimizer_state_is_measured_on_a_small_parameter(optimizer: Any, weight: int, state: float) -> None:
    assert OptimizerBytes.of(optimizer, weight, on_gpu=False).state == pytest.approx(state, abs=0.005)


@pytest.mark.parametrize(("arguments", "together"), [({}, True), ({"foreach": False}, False), ({"fused": True}, False)])
def test_all_weights_are_stepped_together_on_a_gpu_unless_they_are_not_to_be(
    arguments: dict[str, Any], together: bool
) -> None:
    """Together, each has the root of its second moment: 4 bytes. One by one, a second copy is there for a moment."""
    measured = OptimizerBytes.of(lambda p: torch.optim.AdamW(p, **arguments), 4, on_gpu=True)
    assert measured.steps_together is together
    assert measured.temporary == pytest.approx(0.0 if "fused" in arguments else 4.0 if together else 8.0, abs=0.05)


def test_on_a_cpu_weights_are_stepped_one_by_one() -> None:
    assert not OptimizerBytes.of(lambda p: torch.optim.AdamW(p), 4, on_gpu=False).steps_together


def test_eight_bits_are_widened_for_a_step() -> None:
    """At least weight, gradient, both moments and their successors in float32."""
    assert OptimizerBytes.of(lambda p: AdamW8bit(p), 2, on_gpu=False).temporary > 6 * 4
