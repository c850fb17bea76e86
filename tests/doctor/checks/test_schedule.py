"""Time and load on other machines, each number with its formula, and what of it is assumed."""

from pathlib import Path

import pytest
from lightning.pytorch.strategies import ModelParallelStrategy

from medix.doctor.checks.schedule import ScheduleCheck
from medix.doctor.measured_run import MeasuredRate, MeasuredRun
from medix.doctor.rank import Rank
from medix.doctor.step_time import Assumptions, StepTime
from medix.doctor.subject import Subject
from tests.support.doctoring import large_policy, look, subject, with_gpus


def test_four_nodes_take_a_fourth_of_the_passes_and_every_number_has_its_formula(tmp_path: Path) -> None:
    strategy = ModelParallelStrategy(data_parallel_size=8, tensor_parallel_size=1, save_distributed_checkpoint=False)
    trainer = {"accelerator": "gpu", "devices": 8, "strategy": strategy}
    one = subject(tmp_path, large_policy(tmp_path / "large"), with_gpus(8), trainer)
    damage = ("2 lines of runs/mine/logs/version_0/metrics.csv passed over",)
    run = MeasuredRun("runs/mine", 8, {"publish": MeasuredRate(0.5, True)}, 3, 5.0, 0.25, damage=damage)
    check = ScheduleCheck(Assumptions(), run)
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
    assert "3 steps of runs/mine on 8 ranks" in "".join(four.arithmetic)
    assert lines[f"damaged: {damage[0]}"]
    assert "mean completion 5 tokens (of the run)" in "".join(four.arithmetic)
    assert "about" in judge.found
    assert "questions a step" in judge.found
    assert "completions / 0.25 with signal (measured)" in judge.arithmetic[0]
    assert not one.on_nodes(4).plan.fault, "weights are sharded over the GPUs of all machines"


@pytest.mark.parametrize("nodes", [1, 4])
def test_only_what_a_formula_takes_is_among_the_assumptions(tmp_path: Path, nodes: int) -> None:
    strategy = ModelParallelStrategy(data_parallel_size=8, tensor_parallel_size=1, save_distributed_checkpoint=False)
    trainer = {"accelerator": "gpu", "devices": 8, "strategy": strategy}
    at = subject(tmp_path, large_policy(tmp_path / "large"), with_gpus(8), trainer).on_nodes(nodes)
    rates = {name: MeasuredRate(0.1) for name in ("rollout", "old_logprobs", "update", "publish")}
    run = MeasuredRun("runs/mine", 8, rates, 3, 600.0, 0.25)
    (stated,) = (line for line in stated_in(at, run) if line.startswith("assumed"))
    assert [name for name in vars(Assumptions()) if f" {name} " in stated] == (["scaling"] if nodes == 4 else [])
    (stated,) = (line for line in stated_in(at, None) if line.startswith("assumed"))
    assert " with_signal 0.7," in stated
    assert " scaling " not in stated


def stated_in(at: Subject, run: MeasuredRun | None) -> tuple[str, ...]:
    time, _ = look(ScheduleCheck(Assumptions(), run), at)
    return tuple(time.arithmetic)
