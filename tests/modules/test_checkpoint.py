import random
from pathlib import Path

import numpy
import pytest
import torch

from medix.modules.checkpoint import SpecMismatchError, check_fingerprint, random_states, restore_random_states


def draw() -> tuple[float, float, float, float]:
    return random.random(), float(numpy.random.rand()), float(numpy.random.randn()), float(torch.rand(()))


def test_random_states_give_the_same_draws_again_also_through_a_file(tmp_path: Path) -> None:
    draw()
    torch.save(random_states(), tmp_path / "states")
    expected = [draw() for _ in range(3)]
    for _ in range(5):
        draw()
    restore_random_states(torch.load(tmp_path / "states", weights_only=True))
    assert [draw() for _ in range(3)] == expected


def test_equal_fingerprints_pass() -> None:
    check_fingerprint({"policy": {"name": "a"}, "loss": "DAPOLoss"}, {"policy": {"name": "a"}, "loss": "DAPOLoss"})


def test_another_spec_is_refused_by_key_with_both_values_and_a_remedy() -> None:
    with pytest.raises(SpecMismatchError) as error:
        check_fingerprint({"loss": "DAPOLoss", "same": 1}, {"loss": "GRPOLoss", "same": 1}, "step-000004.ckpt")
    message = str(error.value)
    assert "loss: 'DAPOLoss' in step-000004.ckpt, 'GRPOLoss' in this spec" in message
    assert "same" not in message
    assert "trainer.default_root_dir" in message
