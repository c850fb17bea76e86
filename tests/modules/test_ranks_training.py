"""Two ranks learn what one learns, go on where they stopped, and stop together.

Weights are compared to 1e-6 and not bit for bit: two ranks add the gradients of the same groups in another order.
Plain SGD keeps that difference small; Adam divides by the gradient's size and would blow up the rounding of weights
whose gradient is almost zero. Against itself a resumed run is compared bit for bit.
"""

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.support.rank_fits import DDP, SHARDED, fit, prepare, skipped_updates, spec
from tests.support.ranks import Said, run_on_ranks
from tests.test_resume import same


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said, Said]:
    """All runs of this file, in two ranks started once and then in one."""
    folder = tmp_path_factory.mktemp("ranks")
    prepare(folder, "qwen3_vl_moe")
    full = spec(folder, "full", 2, gradient_checkpointing=True)
    lora = spec(folder, "lora", 3, optimizer="AdamW", lora={"rank": 2, "dropout": 0.2})
    experts = spec(folder, "experts", 2, architecture="qwen3_vl_moe", gradient_checkpointing=True)
    narrow = spec(folder, "8bit", 3, optimizer="AdamW8bit", architecture="qwen3_vl_moe")
    in_8_bits = (*SHARDED, "--trainer.precision", "bf16-true")
    unscored, broken = spec(folder, "unscored", 2, "UnscoredOnRank1"), spec(folder, "broken", 2, "BrokenOnRank1")
    nothing = spec(folder, "nothing", 1, update="my_rewards.NothingToTrainOnRank1")
    infinite = spec(folder, "infinite", 2, update="my_rewards.NotFiniteOnOneRank")
    two = [
        fit(full, "ddp", *DDP),
        fit(full, "sharded", *SHARDED),
        *(fit(lora, "ddp-straight", *DDP), fit(lora, "ddp-resumed", *DDP), fit(lora, "ddp-resumed", *DDP)),
        *(fit(lora, "straight", *SHARDED), fit(lora, "resumed", *SHARDED), fit(lora, "resumed", *SHARDED)),
        fit(experts, "experts", *SHARDED),
        *(fit(narrow, f"8bit-{run}", *in_8_bits) for run in ("straight", "resumed", "resumed")),
        *(fit(nothing, "ddp-nothing", *DDP), fit(nothing, "nothing", *SHARDED)),
        *(fit(infinite, "ddp-infinite", *DDP), fit(infinite, "infinite", *SHARDED)),
        fit(full, "ddp-late", *DDP),
        fit(unscored, "unscored", *DDP),
        fit(broken, "broken", *SHARDED),
        # The last one: it ends the process group. Rank 0 is in the first forward pass of the validation meanwhile.
        fit(full, "bad-row", *DDP, "--trainer.callbacks+=medix.callbacks.JudgeValidation"),
    ]
    on_two = run_on_ranks(folder, two, 2)
    assert len(on_two.status) == len(two), on_two.output[-6000:]
    stopped = [143 if number in (3, 6, 10, 16) else 0 for number in range(len(two) - 3)]
    assert on_two.status[:-3] == stopped, on_two.output[:6000]
    shutil.copytree(folder / "ddp-straight", folder / "fewer")
    checkpoint = str(folder / "sharded" / "checkpoints" / "step-000002.ckpt")
    one = [
        fit(full, "one"),
        fit(experts, "one-with-experts"),
        fit(infinite, "one-infinite"),
        fit(lora, "fewer", "--model.max_steps", "4"),
        [
            "validate",
            "--config",
            full,
            "--trainer.default_root_dir",
            "alone",
            "--ckpt_path",
            checkpoint,
            "--trainer.callbacks+=medix.callbacks.JudgeValidation",
        ],
    ]
    return folder, on_two, run_on_ranks(folder, one, 1)


def saved(runs: tuple[Path, Said, Said], run: str, step: int) -> dict[str, Any]:
    path = runs[0] / run / "checkpoints" / f"step-{step:06d}.ckpt"
    assert path.exists(), runs[1].output[-6000:] + runs[2].output[-3000:]
    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


def test_no_rank_is_killed(runs: tuple[Path, Said, Said]) -> None:
    """The first to look at when another test of this file fails."""
    killed = [line for line in runs[1].output.splitlines() if "RANK" in line or "Fatal" in line or line[:6] == "  File"]
    assert runs[1].ended == {0: 0, 1: 0}, "\n".join(killed[:60])


@pytest.mark.parametrize(("alone", "strategy"), [("one", "ddp"), ("one", "sharded"), ("one-with-experts", "experts")])
def test_two_ranks_learn_what_one_learns(runs: tuple[Path, Said, Said], alone: str, strategy: str) -> None:
    """Sharded over two ranks, each has two of the four experts of a layer."""
    one, two = (saved(runs, run, 2)["state_dict"] for run in (alone, strategy))
    assert one.keys() == two.keys()
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("strategy", ["ddp", "sharded"])
def test_two_ranks_share_the_surplus_groups_of_one(runs: tuple[Path, Said, Said], strategy: str) -> None:
    """Two steps read 12 prompts and train 8: 8 to 11 wait, on rank 0 the even ones."""
    waiting = [
        [[group["index"] for group in part["buffer"]["groups"]] for part in saved(runs, run, 2)["medix"]["ranks"]]
        for run in ("one", strategy)
    ]
    assert waiting == [[[8, 9, 10, 11]], [[8, 10], [9, 11]]]


def test_a_signal_for_one_rank_stops_both_at_the_last_finished_step_and_one_of_them_says_so(
    runs: tuple[Path, Said, Said],
) -> None:
    """Replicated, the rollout of step 3 is abandoned; sharded, the update of step 2 is finished; the checkpoint of the
    last step is written, and the run is stopped nevertheless."""
    assert runs[1].output.count("medix fit: stopped by SIGTERM at step 2; the same command goes on") == 4
    assert runs[1].output.count("going on from step 2 of 3") == 3


@pytest.mark.parametrize("run", ["ddp-", "", "8bit-"])
def test_a_resumed_run_is_the_straight_one_bit_for_bit(runs: tuple[Path, Said, Said], run: str) -> None:
    straight, resumed = (saved(runs, run + name, 3) for name in ("straight", "resumed"))
    early = saved(runs, f"{run}resumed", 2)
    name = next(iter(straight["state_dict"]))
    assert not torch.equal(early["state_dict"][name], straight["state_dict"][name])
    for key, weight in straight["state_dict"].items():
        assert torch.equal(weight, resumed["state_dict"][key]), key
    first, second = (one["medix"]["ranks"] for one in (straight, resumed))
    assert len(first) == len(second) == 2
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one["random"]["torch"], other["random"]["torch"])
        assert one["buffer"] == other["buffer"]


def test_moments_of_8_bits_are_whole_in_the_checkpoint_of_sharded_experts(runs: tuple[Path, Said, Said]) -> None:
    found = saved(runs, "8bit-straight", 3)
    assert {weight.dtype for weight in found["state_dict"].values()} == {torch.bfloat16}
    state = found["optimizer_states"][0]["state"].values()
    quantised = {tuple(one["exp_avg_codes"].shape) for one in state if "exp_avg_codes" in one}
    assert {(4, 2 * 128, 32), (4, 32, 128)} <= quantised  # gate and up, and down, of four experts


def test_one_rank_goes_on_from_two(runs: tuple[Path, Said, Said]) -> None:
    assert saved(runs, "fewer", 4)["medix"]["step"] == 4


def test_one_process_validates_what_a_sharded_run_wrote(runs: tuple[Path, Said, Said]) -> None:
    assert runs[2].status == [0] * 5, runs[2].output[-3000:]


def test_a_rank_without_completions_to_train_on_waits_for_the_other(runs: tuple[Path, Said, Said]) -> None:
    """All of its completions might have been cut; the weights move by what rank 0 has, on either strategy."""
    replicated, sharded = (saved(runs, run, 1)["state_dict"] for run in ("ddp-nothing", "nothing"))
    untrained = load_file(runs[0] / "qwen3_vl" / "model.safetensors")
    moved = 0
    for name, weight in replicated.items():
        torch.testing.assert_close(sharded[name], weight, rtol=0, atol=1e-6, msg=name)
        before = next((value for key, value in untrained.items() if name.endswith(key)), weight)
        moved += not torch.equal(before, weight)
    assert moved > 10


@pytest.mark.parametrize("run", ["ddp-infinite", "infinite"])
def test_updates_whose_loss_or_gradient_one_rank_cannot_compute_are_skipped_by_both(
    runs: tuple[Path, Said, Said], run: str
) -> None:
    """The first two, and the weights of the others are those of one process that skipped the same."""
    assert skipped_updates(runs[0] / run) == {1: 2.0, 2: 0.0}
    one, two = (saved(runs, name, 2)["state_dict"] for name in ("one-infinite", run))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=0, atol=1e-6, msg=name)
    assert runs[1].output.count("an update was skipped: its loss or gradient is not finite") == 2  # once a run


def test_both_ranks_stop_when_completions_of_one_are_unscored(runs: tuple[Path, Said, Said]) -> None:
    """Rank 1 cannot score any of its 9 completions; rank 0 scores its 9: 9 of 18, and 20 % are allowed."""
    assert runs[1].status[-3] == 1
    assert runs[1].output.count("9 of 18 completions of this step are unscored (50.0%)") == 2


def test_rank_0_stops_with_the_error_of_rank_1(runs: tuple[Path, Said, Said]) -> None:
    assert runs[1].status[-2] == 1
    assert "rank 1 stopped, and all others with it: ValueError: this reward is broken" in runs[1].output


def test_the_last_lines_of_both_ranks_are_the_row_of_a_validation_that_one_of_them_could_not_read(
    runs: tuple[Path, Said, Said],
) -> None:
    assert runs[1].status[-1] == 1
    output = runs[1].output[runs[1].output.rindex("medix: what will run") :]
    assert "rank 1 stopped, and all others with it: ValueError: sample 't7' cannot be read" in output
    last = [line for line in output.splitlines() if line and "STATUS" not in line][-1]
    assert "sample 't7' cannot be read" in last, output[-3000:]


def test_a_rank_that_is_killed_while_groups_move_to_it_ends_both_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """The weights, the groups that wait and the random states are then those of a run that nothing has killed."""
    prepare(tmp_path)
    made = spec(tmp_path, "moves", 3, "SpreadOnRank0")
    killed = run_on_ranks(tmp_path, [fit(made, "killed", *DDP)], 2)
    assert killed.ended[1] == -signal.SIGKILL
    assert killed.status == [1]
    assert "medix: error: rank 1 broke its connection and left no error" in killed.output
    assert (
        "step 2 is saved in killed/checkpoints/step-000002.ckpt, from which the same command goes on" in killed.output
    )
    again = run_on_ranks(tmp_path, [fit(made, "killed", *DDP), fit(made, "straight", *DDP)], 2)
    assert again.status == [1, 0, 0], again.output  # their log goes on after that of the first
    resumed, straight = (
        torch.load(tmp_path / run / "checkpoints" / "step-000003.ckpt", weights_only=True)
        for run in ("killed", "straight")
    )
    assert same(resumed["state_dict"], straight["state_dict"])
    for one, other in zip(resumed["medix"]["ranks"], straight["medix"]["ranks"], strict=True):
        assert same(one["buffer"], other["buffer"])
        assert same(one["random"]["torch"], other["random"]["torch"])
