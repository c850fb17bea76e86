"""Sizes over ranks, and the strategy."""

from pathlib import Path

import pytest
from lightning.pytorch.plugins import HalfPrecision
from lightning.pytorch.strategies import FSDPStrategy

from medix.doctor.checks.batches import BatchesCheck
from medix.doctor.findings import State
from tests.support.doctoring import look, problems, states, subject, with_gpus

ABSENT = Path("owner/model")


def test_sizes_that_fit_are_stated(tmp_path: Path) -> None:
    sizes, strategy = look(BatchesCheck(), subject(tmp_path, ABSENT))
    assert "4 prompts x 3 completions per step, 2 prompts per update, 2 per rank on 1 rank" in sizes.found
    assert states([sizes, strategy]) == [State.OK, State.OK]


def test_sizes_that_ranks_cannot_share_are_a_problem_with_the_arithmetic(tmp_path: Path) -> None:
    at = subject(tmp_path, ABSENT, with_gpus(3), {"accelerator": "gpu", "devices": 3})
    (found,) = problems(look(BatchesCheck(), at))
    assert "prompts_per_step: 4 prompts cannot be shared evenly by 3 ranks" in found.found
    assert "trainer.devices" in found.remedy


def test_a_strategy_that_cannot_train_is_a_problem(tmp_path: Path) -> None:
    trainer = {"accelerator": "gpu", "devices": 2, "strategy": FSDPStrategy()}
    (found,) = problems(look(BatchesCheck(), subject(tmp_path, ABSENT, with_gpus(2), trainer)))
    assert "trainer.strategy: FSDPStrategy is not supported" in found.found


def test_zero_says_what_it_divides_and_that_offloading_is_unproven_on_gpus(tmp_path: Path) -> None:
    trainer = {"accelerator": "gpu", "devices": 2, "strategy": "deepspeed_stage_3_offload"}
    _, strategy, offload = look(BatchesCheck(), subject(tmp_path, ABSENT, with_gpus(2), trainer))
    assert (
        "2 GPUs, optimizer state, gradients, weights divided (ZeRO-3), optimizer state in main memory" in strategy.found
    )
    assert offload.state == State.WARNING
    assert "tested on a CPU alone" in offload.found


def test_an_optimizer_that_zero_steps_wrongly_is_a_problem(tmp_path: Path) -> None:
    trainer = {"accelerator": "gpu", "devices": 2, "strategy": "deepspeed_stage_2"}
    narrow = {"optimizer": {"class_path": "medix.modules.adamw_8bit.AdamW8bit", "init_args": {"lr": 1e-6}}}
    (found,) = problems(look(BatchesCheck(), subject(tmp_path, ABSENT, with_gpus(2), trainer, model=narrow)))
    assert "model.optimizer: AdamW8bit steps a part of a weight otherwise" in found.found
    assert found.remedy.startswith("give torch.optim.AdamW")


@pytest.mark.parametrize("precision", ["16-mixed", "16-true", "64-true", "transformer-engine", 16])
def test_a_precision_that_fit_refuses_is_a_problem_with_those_to_set(tmp_path: Path, precision: str | int) -> None:
    (found,) = problems(look(BatchesCheck(), subject(tmp_path, ABSENT, trainer={"precision": precision})))
    assert f"trainer.precision: {precision} is not supported" in found.found
    assert found.remedy.startswith("set trainer.precision: ")
    assert all(name in found.remedy for name in ("32-true", "bf16-mixed", "bf16-true"))


def test_a_precision_plugin_that_fit_refuses_is_a_problem(tmp_path: Path) -> None:
    trainer = {"plugins": [HalfPrecision("16-true")]}
    (found,) = problems(look(BatchesCheck(), subject(tmp_path, ABSENT, trainer=trainer)))
    assert "the plugin HalfPrecision (16-true) is not supported" in found.found
