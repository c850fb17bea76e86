"""What a command says at its start: the table of a run, the checkpoint and the sampling of an evaluation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from medix.callbacks.run_facts import data_sizes
from medix.callbacks.save_checkpoint import latest
from medix.callbacks.watched import reward_judges
from medix.data.datamodule import ShardDataModule
from medix.launcher import Launcher
from medix.modules import checkpoint_file
from medix.modules.group_rl import GroupRLModule
from medix.plain_console import PlainConsole
from medix.spec.trainer_keys import SUPPORTED, long_form

BASE = "base"
"""``--ckpt_path base``: the weights that ``policy.name`` names, although the run has checkpoints."""


def print_plan(
    trainer: Trainer,
    model: GroupRLModule,
    data: ShardDataModule,
    limit: float | None = None,
    launcher: Launcher | None = None,
) -> None:
    """Print the table of what ``fit`` will run.

    Args:
        trainer, model, data: of the run.
        limit: seconds that ranks wait for each other; None with one.
        launcher: has started the ranks; None if Lightning does.
    """
    if trainer.global_rank != 0:
        return
    table = Table(
        title="medix: what will run (research use, not for clinical decisions)",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("What", overflow="fold")
    table.add_column("Value", overflow="fold")
    precision = long_form(trainer.precision)
    rows = {
        "policy": ", ".join(f"{key} {value}" for key, value in model.policy.fingerprint().items() if value),
        "precision": f"{precision} ({SUPPORTED[precision]})",
        "algorithm": f"{type(model.loss).__name__} on {type(model.advantage).__name__}",
        "rewards": ", ".join(f"{name} {weight:g}" for name, weight in model.rewards.weights.items()),
        "judge of the rewards": ", ".join(reward_judges(model)) or "none",
        **{f"{split} data": text for split, text in data_sizes(data, ("train", "val")).items()},
        "ranks": _ranks(trainer, launcher),
        **dict(model.batching(ranks=trainer.world_size).rows()),
        "steps": f"{model.max_steps}",
        **({} if limit is None else {"ranks wait": f"{limit:g} s for each other, then the run ends"}),
        "run folder": str(trainer.default_root_dir),
    }
    for what, value in rows.items():
        table.add_row(what, value)
    PlainConsole().print(table)


def _ranks(trainer: Trainer, launcher: Launcher | None) -> str:
    if launcher is not None:
        return f"{launcher}, started by {launcher.name} ({launcher.variables})"
    return f"{trainer.world_size}, from trainer.devices {trainer.num_devices} x trainer.num_nodes {trainer.num_nodes}"


def chosen_checkpoint(given: str | None, folder: Path) -> str | None:
    """The checkpoint that ``--ckpt_path`` names; None for the weights of ``policy.name``.

    Args:
        given: ``best``, ``last``, ``base`` or a file; None for the newest checkpoint of the run, if it has one.
        folder: of the run.
    """
    if given == BASE:
        return None
    if given == "best":
        return str(folder / "checkpoints" / "best.ckpt")
    if given in (None, "last"):
        found = latest(folder / "checkpoints")
        return str(found) if found is not None else given and str(folder / "checkpoints" / "step-*.ckpt")
    return given


def read_checkpoint(path: str | None, folder: Path) -> Mapping[str, Any]:
    """The content of a checkpoint file, before anything is written; empty without one.

    Args:
        path: the file.
        folder: of the run, for messages.

    Raises:
        ValueError: it is not there, or cannot be read.
    """
    if path is None:
        return {}
    if not Path(path).exists():
        held = ", ".join(sorted(file.name for file in (folder / "checkpoints").glob("*.ckpt"))) or "none"
        raise ValueError(
            f"--ckpt_path {path}: there is no such file; give a checkpoint that medix fit wrote, best, last, or {BASE} "
            f"for the policy as named ({folder / 'checkpoints'} holds: {held})"
        )
    if Path(path).is_dir():
        raise ValueError(
            f"--ckpt_path {path}: is a folder, and medix fit writes files; folders that Lightning or DeepSpeed wrote "
            "are not read, because they hold pickles, which run code"
        )
    return checkpoint_file.read(path)
