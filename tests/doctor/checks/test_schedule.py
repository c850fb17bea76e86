"""Time and load on other machines, each number with its formula, and what of it is assumed."""

from pathlib import Path

import pytest
from lightning.pytorch.strategies import ModelParallelStrategy

from medix.doctor.checks.schedule import ScheduleCheck
from medix.doctor.measured_run import MeasuredRun
from medix.doctor.rank import Rank
from medix.doctor.step_time import Assumptions, StepTime
from tests.support.doctoring import large_policy, look, subject, with_gpus


def test_four_nodes_take_a_fourth_of_the_passes_and_every_number_has_its_formula(tmp_path: Path) -> None:
    strategy = ModelParallelStrategy(data_parallel_size=8, tensor_parallel_size=1, save_distributed_checkpoint=False)
    trainer = {"accelerator": "gpu", "devices": 8, "strategy": strategy}
    one = subject(tmp_path, large_policy(tmp_path / "large"), with_gpus(8), trainer)
    check = ScheduleCheck(Assumptions(), MeasuredRun("runs/mine", 8, {"publish": 0.5}, 3))
    alone, _ = look(check, one)
    four, judge = look(check, one.on_nodes(4))
    assert four.found.startswith("4 nodes x 8 = 32 ranks: ")
    assert "publish measured, the rest assumed" in four.found
    lines = {line.partition(" (")[0]: line for line in four.arithmetic}
    before = {line.partition(" (")[0]: line for line in alone.arithmetic}
    update = [StepTime(Rank.of(at)).terms[2] for at in (one, one.on_nodes(4))]
    assert update[0].name == "update"
    assert update[0].seconds == pytest.approx(4 * update[1].seconds)
    assert "(32 GPUs x 989 TFLOP/s x 0.3)" in lines["update"]
    assert "(8 GPUs x 989 TFLOP/s x 0.3)" in before["update"]
    assert "3 steps of runs/mine, 8 ranks" in "".join(four.arithmetic)
    assert "questions a step" in judge.found
    assert "(assumed)" in judge.arithmetic[0]
    assert not one.on_nodes(4).plan.fault, "weights are sharded over the GPUs of all machines"
