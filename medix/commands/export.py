"""``python -m medix export``: a checkpoint as a Hugging Face folder."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from medix.commands.card import model_card
from medix.modules import checkpoint as state
from medix.modules import checkpoint_file
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
        description="Write a checkpoint as a Hugging Face folder, which AutoModelForImageTextToText and AutoProcessor "
        "load. LoRA weights are merged. Research use, not for clinical decisions.",
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
        ValueError: the output exists, or the checkpoint is damaged or does not fit the spec.
        OSError: a file is missing.
    """
    if output.exists():
        raise ValueError(f"--output {output}: exists already; name a folder that does not")
    if not checkpoint.is_file():
        raise FileNotFoundError(f"--checkpoint {checkpoint}: there is no such file; give one that medix fit wrote")
    run = checkpoint.resolve().parent.parent
    spec = spec or run / "spec.yaml"
    if not spec.is_file():
        raise FileNotFoundError(
            f"--config {spec}: there is no such spec; name the one that the checkpoint was trained with"
        )
    saved = checkpoint_file.read(checkpoint)
    checkpoint, output, spec = checkpoint.absolute(), output.absolute(), spec.absolute()
    settings = yaml.safe_load(spec.read_text(encoding="utf-8"))
    with _where_it_ran(run, settings):
        from medix.cli import build_module

        module = build_module(spec)
        if not isinstance(module.policy, VisionLanguagePolicy):
            raise ValueError(f"model.policy: a {type(module.policy).__name__} has no Hugging Face folder to write")
        load_weights(module, saved, str(checkpoint))
        report = run / "report.json"
        numbers: dict[str, Any] = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else {}
        card = model_card(module, settings, step=saved[state.KEY]["step"], numbers=numbers)
        export(module.policy, output, card)


@contextlib.contextmanager
def _where_it_ran(run: Path, settings: Any) -> Iterator[None]:
    """In the folder that relative paths of the spec mean: the one that ``trainer.default_root_dir`` was relative to.

    It can be told from the run's folder unless ``default_root_dir`` is absolute; then it is the present one.
    """
    root = Path((settings.get("trainer") or {}).get("default_root_dir") or "")
    depth = len(root.parts)
    home = Path.cwd()
    if not root.is_absolute() and run.parts[len(run.parts) - depth :] == root.parts:
        home = run.parents[depth - 1] if depth else run
    with contextlib.chdir(home):
        sys.path.insert(0, str(home))  # the user's own classes
        try:
            yield
        finally:
            sys.path.remove(str(home))


def load_weights(module: GroupRLModule, saved: dict[str, Any], name: str) -> None:
    """Put the trained weights of a checkpoint into a module outside a trainer.

    Raises:
        SpecMismatchError: the checkpoint comes from another spec.
    """
    if state.KEY not in saved:
        raise state.SpecMismatchError(f"{name} holds no medix state: it was not written by medix fit")
    state.check_fingerprint(saved[state.KEY]["fingerprint"], module.fingerprint(), name)
    try:
        module.configure_model()
    except ValueError as error:
        raise ValueError(
            f"{error}\nA relative path in a spec counts from the folder in which fit ran; go there to export"
        ) from error
    missing = {n for n, p in module.named_parameters() if p.requires_grad} - set(saved["state_dict"])
    unexpected = module.load_state_dict(saved["state_dict"], strict=False).unexpected_keys
    if missing or unexpected:
        raise state.SpecMismatchError(
            f"{name} does not hold the weights of this policy: {len(missing)} are missing {sorted(missing)[:3]}, "
            f"{len(unexpected)} are unknown {unexpected[:3]}; give the spec it was trained with"
        )
