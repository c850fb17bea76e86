"""Compare the strategies of training with one process: weights, seconds per step, and what checkpoints cost.

    python -m tools.bench_strategies --rounds 3 --json FILE
    python -m tools.bench_strategies --widths 128 256 512 1024 --strategies one zero2 --prompts 4 --json FILE

``two-machines`` and ``slurm`` are DDP on two nodes: network namespaces in which torchrun starts the ranks, and a
private Slurm; without these programs they have to be left out. Every run is the demo's shape on the tiny shards: its
policy, or one of each width, in float32, sampled by ``LocalEngine``; two updates a step by SGD with momentum; one
thread for each process. ZeRO-3 divides small weights too, which DeepSpeed would leave whole. In a round every strategy
trains some steps, saves, and goes on for one step from there; the strategies take turns. Reported are the largest
difference of any weight from the first strategy after two steps, how far training has moved a weight by then, and the
fewest seconds over all rounds: of a step of the slowest rank (without each run's first, which compares the shared pass
with the plain one), to write a checkpoint, and to restore it. Other programs make all of them longer, and none shorter.
Starting processes is not timed.

The runs are those of the tests, so that this needs a checkout of the project.
"""

import argparse
import csv
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from rich import box
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch import Tensor

from medix.callbacks.save_checkpoint import SaveCheckpoint
from medix.modules import checkpoint_file
from medix.policy.tiny import TinySize, build_tiny
from tests.support.rank_fits import DDP, OFFLOADED, REWARDS, SHARDED, fit, zero
from tests.support.runs import ROOT, small_spec, write_spec
from tools.cluster_runs import LAUNCHERS

_ON_NODES = ("--trainer.strategy", "ddp")  # how many there are is read from torchrun or Slurm

STRATEGIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "one": ("one process", ()),
    "ddp": ("two processes", DDP),
    "fsdp2": ("two processes", SHARDED),
    "zero2": ("two processes", zero(2)),
    "zero3": ("two processes", zero(3)),
    "zero3-offload": ("two processes", zero(3, *OFFLOADED)),
    "two-machines": ("two machines", _ON_NODES),
    "slurm": ("slurm", _ON_NODES),
}
"""What starts the ranks (see ``cluster_runs.LAUNCHERS``), and words of the command line."""
_COMPARED = 2
"""The step after which weights are compared; later, rounding may have made a token another one."""


class TimedCheckpoint(SaveCheckpoint):
    """Writes down how long saving and restoring took, on the first rank, once all ranks were through."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Time what Lightning restores: the file, weights, callbacks and loops, and the optimiser."""
        super().setup(trainer, pl_module, stage)
        connector = trainer._checkpoint_connector
        for name in ("_restore_modules_and_callbacks", "restore_training_state"):
            setattr(connector, name, self._timed("restore", getattr(connector, name), trainer))

    def _save(self, trainer: Trainer, step: int) -> None:
        self._timed("save", super()._save, trainer)(trainer, step)

    def _timed(self, name: str, work: Callable[..., Any], trainer: Trainer) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            begun = monotonic()
            result = work(*arguments, **named)
            trainer.strategy.barrier(name)
            if trainer.is_global_zero:
                with (Path(trainer.default_root_dir) / "times.jsonl").open("a") as stream:
                    stream.write(json.dumps({name: monotonic() - begun}) + "\n")
            return result

        return timed


@dataclass
class Row:
    """Measurements of a strategy with a policy."""

    strategy: str
    parameters: int = 0
    moved: float = 0.0
    difference: float = 0.0
    steps: list[float] = field(default_factory=list)
    saves: list[float] = field(default_factory=list)
    restores: list[float] = field(default_factory=list)
    checkpoint_bytes: int = 0

    def result(self, first: "Row") -> dict[str, Any]:
        """As JSON, with the fewest seconds, and those of a step over the fewest of another strategy."""
        found = asdict(self) | {name: min(getattr(self, name)) for name in ("steps", "saves", "restores")}
        return found | {"step_over_first": found["steps"] / min(first.steps)}


def measure(
    file: str, policy: Path, names: Sequence[str], steps: int, rounds: int, folder: Path
) -> list[dict[str, Any]]:
    """Rows of one policy.

    Args:
        file: a spec.
        policy: the folder of its policy.
        names: of strategies.
        steps: of a run before it is saved; at least 2.
        rounds: in which the strategies take turns.
        folder: for the runs, with the modules of the spec in it.
    """
    rows = {name: Row(name) for name in names}
    for number in range(rounds):
        for launcher, launch in LAUNCHERS.items():
            chosen = [name for name in names if STRATEGIES[name][0] == launcher]
            commands = [
                fit(file, f"{name}-{number}", *STRATEGIES[name][1], "--model.max_steps", str(last))
                for name in chosen
                for last in (steps, steps + 1)
            ]
            if commands:
                launch(folder, commands)
        for name, row in rows.items():
            _read(row, folder / f"{name}-{number}", steps)
    start = load_file(policy / "model.safetensors")
    first = _weights(folder / f"{names[0]}-0")
    for name, row in rows.items():
        weights = _weights(folder / f"{name}-0")
        row.difference = _difference(weights, first)
        row.moved = _difference(weights, start)
    return [row.result(rows[names[0]]) for row in rows.values()]


def _read(row: Row, run: Path, steps: int) -> None:
    for log in sorted(run.glob("logs/*/metrics.csv")):
        with log.open() as stream:
            read = {
                int(one["step"]): float(one["seconds/step"]) for one in csv.DictReader(stream) if one["seconds/step"]
            }
        row.steps += [seconds for step, seconds in read.items() if 1 < step <= steps]
    times = [json.loads(line) for line in (run / "times.jsonl").read_text().splitlines()]
    row.saves += [time["save"] for time in times if "save" in time]
    row.restores.append(sum([time["restore"] for time in times if "restore" in time][-2:]))  # of the second fit
    file = run / "checkpoints" / f"step-{steps:06d}.ckpt"
    row.checkpoint_bytes = file.stat().st_size
    (state,) = checkpoint_file.read(file)["optimizer_states"]
    row.parameters = sum(entry["momentum_buffer"].numel() for entry in state["state"].values())


def _weights(run: Path) -> dict[str, Tensor]:
    """Those of the step that is compared, by their names in the policy's folder."""
    found = checkpoint_file.read(run / "checkpoints" / f"step-{_COMPARED:06d}.ckpt")["state_dict"]
    return {name.removeprefix("policy.model."): weight for name, weight in found.items()}


def _difference(weights: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> float:
    """The largest; names that only one side has are those of tied weights."""
    return max(float((weights[name] - other).abs().max()) for name, other in others.items() if name in weights)


def demo_shape(folder: Path, policy: Path, prompts: int, completions: int, tokens: int) -> str:
    """A spec of runs of this shape."""
    sampling = {"completions_per_prompt": completions, "max_completion_tokens": tokens}
    optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.05, "momentum": 0.5}}
    made = small_spec(
        folder,
        policy,
        model={
            "engine": {"class_path": "medix.rollout.LocalEngine", "init_args": {"sampling": sampling}},
            "rewards": {"components": {"half": {"reward": {"class_path": "my_rewards.Spread"}, "weight": 1.0}}},
            "group_filter": {"class_path": "medix.rollout.KeepScored"},
            "update": {"prompts_per_update": prompts // 2},
            "optimizer": optimizer,
            "prompts_per_step": prompts,
        },
    )
    (folder / "my_rewards.py").write_text(REWARDS)
    timed = {"every_n_steps": _COMPARED, "keep": 9, "monitor": None}
    made["trainer"]["callbacks"] = [
        {"class_path": "medix.callbacks.LogRewards"},
        {"class_path": "tools.bench_strategies.TimedCheckpoint", "init_args": timed},
    ]
    return str(write_spec(folder, made))


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print a table."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("strategy", "weights", "moved", "differ", "s/step", "/first", "MB", "save s", "restore"):
        table.add_column(column, justify="left" if column == "strategy" else "right")
    for row in rows:
        numbers = (row["parameters"] / 1e6, row["steps"], row["step_over_first"], row["checkpoint_bytes"] / 1e6)
        weights, *others = (f"{number:.2f}" for number in numbers)
        distances = (f"{row[name]:.1e}" for name in ("moved", "difference"))
        times = (f"{row[name]:.3f}" for name in ("saves", "restores"))
        table.add_row(row["strategy"], f"{weights} M", *distances, *others, *times)
    Console().print(table)


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--widths", nargs="+", type=int, help="of language models with random weights")
    parser.add_argument("--prompts", type=int, default=24, help="of a step (default: 24)")
    parser.add_argument("--completions", type=int, default=8, help="of a prompt (default: 8)")
    parser.add_argument("--tokens", type=int, default=24, help="of a completion at most (default: 24)")
    parser.add_argument("--steps", type=int, default=4, help="of a run before it is saved (default: 4)")
    parser.add_argument("--rounds", type=int, default=3, help="in which the strategies take turns (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows here")
    given = parser.parse_args(words)
    shape = (given.prompts, given.completions, given.tokens)
    rows = []
    with tempfile.TemporaryDirectory(prefix="medix-strategies-") as name:
        for width in given.widths or [0]:
            folder = Path(name) / str(width)
            folder.mkdir()
            policy = ROOT / "data_shards" / "demo_policy"
            if width:
                size = TinySize(width=width, depth=4, heads=4, hidden=4 * width, initializer_range=0.02)
                policy = build_tiny("qwen3_vl", folder / "policy", size)
            file = demo_shape(folder, policy, *shape)
            rows += measure(file, policy, given.strategies, given.steps, given.rounds, folder)
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")
    show(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
