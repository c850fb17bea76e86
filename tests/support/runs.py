"""Small runs: a spec with a tiny policy and phantom shards, in a folder of their own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from medix.policy.tiny import build_tiny
from tests.support import warm

ROOT = Path(__file__).parent.parent.parent
LIMIT = 1800
"""Seconds until a command counts as hanging; the longest takes a tenth of it on two quiet cores."""
MANIFESTS = ROOT / "data_shards" / "manifests"

REWARD = '''\
"""A reward that spreads the gibberish of an untrained policy: the share of its letters that are in the first half."""

from medix.rewards import ComponentScores, RewardBatch, RewardComponent


class FirstHalf(RewardComponent):
    def score(self, batch: RewardBatch) -> ComponentScores:
        return ComponentScores.of([sum(c < "m" for c in text) % 4 / 3 for text in batch.completions])
'''


def small_spec(folder: Path, policy: Path | None = None, **changes: Any) -> dict[str, Any]:
    """A spec that fits in seconds; ``changes`` are merged into it, nested."""
    if policy is None:
        policy = build_tiny("qwen3_vl", folder / "policy")
    (folder / "my_rewards.py").write_text(REWARD)
    spec: dict[str, Any] = {
        "trainer": {
            "default_root_dir": str(folder / "run"),
            "accelerator": "cpu",
            "callbacks": [
                {"class_path": "medix.callbacks.LogRewards"},
                {"class_path": "medix.callbacks.RecordCompletions"},
                {"class_path": "medix.callbacks.SaveCheckpoint", "init_args": {"every_n_steps": 2, "monitor": None}},
            ],
        },
        "model": {
            "policy": {"class_path": "medix.policy.VisionLanguagePolicy", "init_args": {"name": str(policy)}},
            "engine": {
                "class_path": "medix.rollout.LocalEngine",
                "init_args": {"sampling": {"completions_per_prompt": 3, "max_completion_tokens": 6}},
            },
            "rewards": {"components": {"half": {"reward": {"class_path": "my_rewards.FirstHalf"}, "weight": 1.0}}},
            "loss": {"class_path": "medix.losses.DAPOLoss"},
            "update": {"prompts_per_update": 2},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.001}},
            "prompting": {"template": "short"},
            "evaluation": {"completions_per_prompt": 1, "max_completion_tokens": 6},
            "prompts_per_step": 4,
            "max_steps": 2,
        },
        "data": {
            "train": [str(MANIFESTS / "tiny_train-*.yaml")],
            "val": [str(MANIFESTS / "tiny_val-*.yaml")],
            "limit_val": 6,
        },
    }
    return merged(spec, changes)


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings, the second over the first; a mapping with a class_path replaces another class whole."""
    result = dict(old)
    for key, value in new.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def write_spec(folder: Path, spec: Mapping[str, Any], name: str = "spec.yaml") -> Path:
    """The spec as a file."""
    path = folder / name
    path.write_text(yaml.safe_dump(dict(spec), sort_keys=False))
    return path


def _command(*words: str) -> int:
    from medix.__main__ import main

    sys.argv = ["medix", *words]
    return main(list(words))


def _in_turn(*commands: Sequence[str]) -> int:
    for words in commands:
        if words[0] == "copy":
            shutil.copy(*words[1:])
        elif status := _command(*words):
            sys.stderr.write(f"medix {words} ended with status {status}\n")
            return status
    return 0


def medix(
    folder: Path, *words: str, check: bool = True, is_fresh: bool = False, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """``python -m medix`` in a process of its own whose working directory is the folder.

    Args:
        folder: working directory.
        words: behind ``medix``.
        check: status 0 is asserted.
        is_fresh: in an interpreter that this call starts; else in a fork of one that has imported medix.
        environment: added to that of this process.
    """
    if is_fresh:
        result = subprocess.run(
            [sys.executable, "-m", "medix", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment},
        )
    else:
        result = warm.run(_command, *words, folder=folder, limit=LIMIT, **environment)
    return _checked(result) if check else result


def medix_in_turn(folder: Path, *commands: Sequence[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    """Several commands one after the other in one process of their own.

    ``copy FROM TO`` keeps a file that the next command overwrites.
    """
    return _checked(warm.run(_in_turn, *commands, folder=folder, limit=LIMIT, **environment))


def _checked(result: "subprocess.CompletedProcess[str]") -> "subprocess.CompletedProcess[str]":
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result
