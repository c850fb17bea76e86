"""Times the same step in three ways, in turn.

In each round of a shape: one step of medix with shared prompts, one with the plain pass, and one of
``trl.GRPOTrainer``. All three are warmed up before the first shape; before the others only medix is, because its first
step includes the self-check against the plain pass. Ratios are computed from medians within the run.
"""

import argparse
import json
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from transformers import AutoConfig

from medix.policy.tiny import TinySize
from tools.bench_step import workload
from tools.bench_step.floor import best_rate, best_read_rate, decode_bytes, update_operations
from tools.bench_step.ours import MedixStep
from tools.bench_step.seconds import Seconds
from tools.bench_step.workload import SHAPES, Shape

if TYPE_CHECKING:  # it imports TRL, and TRL vLLM: ten seconds before a mistake in the arguments would be told
    from tools.bench_step.peer import TRLStep

SIDES = ("shared", "plain", "trl")


def measure(folder: Path, shape: Shape, rounds: int, warm_up: Sequence[str], advance: Any) -> dict[str, Any]:
    """Measure one shape.

    Args:
        folder: folder of the model.
        shape: shape of the steps.
        rounds: number of timed steps of each side.
        warm_up: sides that are warmed up with one step.
        advance: called after each step.

    Raises:
        RuntimeError: the sides did not do the same work.
    """
    from tools.bench_step.peer import TRLStep

    sides: dict[str, MedixStep | TRLStep] = {
        "shared": MedixStep(folder, shape),
        "plain": MedixStep(folder, shape, shared_prefix=False),
        "trl": TRLStep(folder, shape, folder / "trl"),
    }
    steps: dict[str, list[Seconds]] = {name: [] for name in sides}
    for name in warm_up:
        sides[name].step()
        advance()
    for _ in range(rounds):
        for name, side in sides.items():
            steps[name].append(side.step())
            advance()
    medians = {name: replace(Seconds.median(taken), old=sides[name].old()) for name, taken in steps.items()}
    ours = sides["shared"]
    assert isinstance(ours, MedixStep)
    assert isinstance(sides["trl"], TRLStep)
    check(shape, ours, sides["trl"])
    config = AutoConfig.from_pretrained(folder)
    operations = update_operations(config, shape, ours.prompt_tokens)
    rate = best_rate(config, shape, ours.prompt_tokens)
    decoding = Decoding(
        workload.median([ours.decode() for _ in range(rounds)]),
        decode_bytes(config, shape, ours.prompt_tokens),
        best_read_rate(),
    )
    return row(shape, ours.prompt_tokens, medians, operations, rate, decoding)


@dataclass(frozen=True)
class Decoding:
    """Sampling by medix after the first token of each completion.

    Attributes:
        seconds: that it took.
        bytes: that it had to read.
        rate: best rate of reading, in bytes per second.
    """

    seconds: float
    bytes: float
    rate: float

    @property
    def over_floor(self) -> float:
        """How many times as long as reading the bytes."""
        return self.seconds * self.rate / self.bytes


def check(shape: Shape, ours: MedixStep, peer: "TRLStep") -> None:
    """Check that both sides had prompts and completions of the same lengths."""
    found = (ours.prompt_tokens, ours.completion_lengths, peer.lengths)
    expected = (ours.prompt_tokens, {shape.completion_tokens}, (ours.prompt_tokens, shape.completion_tokens))
    if found != expected:
        raise RuntimeError(
            f"{shape.name}: prompt tokens, completion lengths and TRL's lengths of both are {found}, expected "
            f"{expected}; the timings are not comparable"
        )


def row(
    shape: Shape, prompt: int, seconds: dict[str, Seconds], operations: float, rate: float, decoding: Decoding
) -> dict[str, Any]:
    """The results for a shape, as written to the file."""
    trl, plain = (seconds[name].over(seconds["shared"]) for name in ("trl", "plain"))
    tokens = shape.prompts * shape.group_size * shape.completion_tokens
    floor = operations / rate
    return {
        "shape": shape.name,
        "prompts": shape.prompts,
        "prompt_tokens": prompt,
        "group_size": shape.group_size,
        "completion_tokens": shape.completion_tokens,
        "step_ratio_trl": trl["step"],
        "update_ratio_trl": trl["update"],
        "generate_ratio_trl": trl["generate"],
        "old_ratio_trl": trl["old"],
        "step_ratio_plain": plain["step"],
        "update_ratio_plain": plain["update"],
        "old_ratio_plain": plain["old"],
        "update_over_floor": seconds["shared"].update / floor,
        "decode_over_floor": decoding.over_floor,
        "floor_s": floor,
        "decode": asdict(decoding),
        "update_operations": operations,
        "best_rate": rate,
        "seconds": {name: asdict(taken) for name, taken in seconds.items()},
        "generated_tokens_per_s": {name: tokens / taken.generate for name, taken in seconds.items()},
        "trained_tokens_per_s": {name: tokens / taken.step for name, taken in seconds.items()},
        "update_rate": {name: operations / taken.update for name, taken in seconds.items()},
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Print tables."""
    for one in result["shapes"]:
        table = Table(
            title=f"{one['prompts']} x {one['prompt_tokens']} prompt tokens, {one['group_size']} completions of "
            f"{one['completion_tokens']}; update {one['update_over_floor']:.2f} x its floor of {one['floor_s']:.2f} s, "
            f"decoding {one['decode_over_floor']:.2f} x its own"
        )
        for column in ("", "generate", "reward", "old pass", "update", "step", "sampled/s", "GFLOP/s"):
            table.add_column(column, justify="left" if not column else "right")
        for name, taken in one["seconds"].items():
            table.add_row(
                {"shared": "medix", "plain": "plain pass", "trl": "TRL"}[name],
                *(f"{taken[part]:.2f} s" for part in ("generate", "reward", "old", "update", "step")),
                f"{one['generated_tokens_per_s'][name]:.0f}",
                f"{one['update_rate'][name] / 1e9:.0f}",
            )
        table.add_section()
        table.add_row(
            "TRL / medix",
            *(f"{one['seconds']['trl'][p] / one['seconds']['shared'][p]:.1f}" for p in ("generate", "reward")),
            *(f"{one[f'{part}_ratio_trl']:.1f}" for part in ("old", "update", "step")),
        )
        console.print(table)


def run(shapes: Sequence[Shape], rounds: int, size: TinySize = workload.SIZE) -> dict[str, Any]:
    """Measure all shapes on one model."""
    from tools.bench_step.peer import OPTIONS

    with tempfile.TemporaryDirectory() as folder, Progress(transient=True) as progress:
        model = workload.build(Path(folder) / "model", size)
        warm_ups = [SIDES if shape is shapes[0] else SIDES[:1] for shape in shapes]
        task = progress.add_task("steps", total=len(SIDES) * rounds * len(shapes) + sum(map(len, warm_ups)))
        rows = [
            measure(model, shape, rounds, warm_up, lambda: progress.advance(task))
            for shape, warm_up in zip(shapes, warm_ups, strict=True)
        ]
    return {
        "shapes": rows,
        "rounds": rounds,
        "machine": f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads",
        "versions": {name: version(name) for name in ("torch", "transformers", "trl")},
        "trl_options": OPTIONS,
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_step", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="write the results here")
    parser.add_argument("--rounds", type=int, default=3, help="number of timed steps of each side")
    parser.add_argument("--shape", type=int, action="append", help=f"0 to {len(SHAPES) - 1}; all if not given")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error(f"--rounds {given.rounds}: give 1 or more")
    if any(not 0 <= index < len(SHAPES) for index in given.shape or ()):
        parser.error(f"--shape {given.shape}: give 0 to {len(SHAPES) - 1}")
    result = run([SHAPES[index] for index in given.shape or range(len(SHAPES))], given.rounds)
    given.json.write_text(json.dumps(result, indent=2) + "\n")
    show(result, Console())


if __name__ == "__main__":
    main()
