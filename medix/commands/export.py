"""``python -m medix export``: a checkpoint as a Hugging Face folder."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from medix.commands.card import model_card
from medix.modules import checkpoint as state
from medix.modules.group_rl import GroupRLModule
from medix.policy.export import export
from medix.policy.vision_language import VisionLanguagePolicy


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: words after ``export``.

    Returns:
        Exit status: 0, or 1 with one message.
    """
    parser = argparse.ArgumentParser(
        prog="python -m medix export",
        description="Write a checkpoint as a Hugging Face folder that AutoModelForImageTextToText and AutoProcessor load. "
        "LoRA weights are merged. Research use, not for clinical decisions.",
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="a file that medix fit wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder to write; must not exist")
    parser.add_argument("--config", type=Path, help="the spec it was trained with; the run's spec.yaml if left out")
    arguments = parser.parse_args(argv)
    try:
        write(arguments.checkpoint, arguments.output, arguments.config)
    except (ValueError, OSError) as error:
        print(f"medix export: {error}", file=sys.stderr)
        return 1
    print(f"medix: wrote {arguments.output}; load it with AutoModelForImageTextToText.from_pretrained")
    return 0


def write(checkpoint: Path, output: Path, spec: Path | None = None) -> None:
    """Export one checkpoint.

    Raises:
        ValueError: the output exists, or the checkpoint does not fit the spec.
        OSError: a file is missing.
    """
    if output.exists():
        raise ValueError(f"--output {output}: exists already; name a folder that does not")
    if not checkpoint.exists():
        raise FileNotFoundError(f"--checkpoint {checkpoint}: there is no such file")
    run = checkpoint.resolve().parent.parent
    spec = spec or run / "spec.yaml"
    if not spec.is_file():
        raise FileNotFoundError(
            f"--config {spec}: there is no spec beside the checkpoint; name the one it was trained with"
        )
    from medix.cli import build_module

    module = build_module(spec)
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    load_weights(module, saved, str(checkpoint))
    report = run / "report.json"
    numbers: dict[str, Any] = json.loads(report.read_text()) if report.is_file() else {}
    if not isinstance(module.policy, VisionLanguagePolicy):
        raise ValueError(f"model.policy: a {type(module.policy).__name__} has no Hugging Face folder to write")
    card = model_card(module, yaml.safe_load(spec.read_text()), step=saved[state.KEY]["step"], numbers=numbers)
    export(module.policy, output, card)


def load_weights(module: GroupRLModule, saved: dict[str, Any], name: str) -> None:
    """Put the trained weights of a checkpoint into a module outside a trainer.

    Raises:
        SpecMismatchError: the checkpoint comes from another spec.
    """
    if state.KEY not in saved:
        raise state.SpecMismatchError(f"{name} holds no medix state: it was not written by medix fit")
    state.check_fingerprint(saved[state.KEY]["fingerprint"], module.fingerprint(), name)
    module.configure_model()
    unexpected = module.load_state_dict(saved["state_dict"], strict=False).unexpected_keys
    if unexpected:
        raise state.SpecMismatchError(f"{name} holds weights this policy does not have: {unexpected[:3]}")
