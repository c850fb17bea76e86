import random
from pathlib import Path

import numpy as np
import torch

from medix.modules.random_states import random_states, restore_random_states


def draw() -> tuple[float, float, float, float]:
    return random.random(), float(np.random.rand()), float(np.random.randn()), float(torch.rand(()))


def test_random_states_give_the_same_draws_again_also_through_a_file(tmp_path: Path) -> None:
    draw()
    torch.save(random_states(), tmp_path / "states")
    expected = [draw() for _ in range(3)]
    for _ in range(5):
        draw()
    restore_random_states(torch.load(tmp_path / "states", weights_only=True))
    assert [draw() for _ in range(3)] == expected
