"""What the machine is."""

from pathlib import Path

import pytest

from tools.accelerator_check.machine import Machine
from tools.accelerator_check.part import AbsentError


def test_a_machine_without_accelerator_says_so(tmp_path: Path) -> None:
    part = Machine(tmp_path)
    part.device = "cpu"
    [(_, accelerator)] = part.cases()
    with pytest.raises(AbsentError, match="torch finds no accelerator"):
        accelerator()
