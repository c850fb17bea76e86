"""One process with DeepSpeed around small modules: what ZeRO does, without a second rank."""

import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from medix.modules.zero_strategy import _deepspeed, config_of
from tests.support import warm

Check = tuple[Callable[..., None], tuple[int, ...]]
"""A function that asserts something, and its arguments."""

_FAILED = "FAILED "


def complaints(checks: Sequence[Check], folder: Path) -> dict[Check, str]:
    """Run checks in a process of their own, since DeepSpeed keeps its process groups for good.

    Returns:
        What each said when it failed; empty for those that passed.
    """
    result = warm.run(_run, checks, folder=folder, limit=600)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    said = result.stdout.split(_FAILED)[1:]
    assert len(said) == len(checks), result.stdout[-4000:]
    return {check: text.strip() for check, text in zip(checks, said, strict=True)}


def _run(checks: Sequence[Check]) -> int:
    for check, arguments in checks:
        print(_FAILED)  # noqa: T201  # then why
        try:
            check(*arguments)
        except Exception:  # noqa: BLE001  # the test sees it
            print(traceback.format_exc())  # noqa: T201
    return 0


def module() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))


def divided(stage: int, root: nn.Module, lr: float = 0.5, clip: float = 0.0, *, offloaded: bool = False) -> Any:
    """DeepSpeed's engine."""
    if not distributed.is_initialized():
        os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
        distributed.init_process_group("gloo", init_method=f"file://{Path.cwd()}/meeting", rank=0, world_size=1)
    deepspeed = _deepspeed(torch.device("cpu"))
    offload = {"offload_optimizer": {"device": "cpu"}} if offloaded else {}
    zero = {"stage": stage, "stage3_param_persistence_threshold": 0, **offload}
    engine, *_ = deepspeed.initialize(
        model=root,
        model_parameters=list(root.parameters()),
        optimizer=torch.optim.AdamW(root.parameters(), lr=lr),
        config=config_of(zero, next(root.parameters()).dtype, clip),
        dist_init_required=False,
    )
    return engine
