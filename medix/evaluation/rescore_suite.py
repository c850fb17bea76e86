"""The reward suite of ``medix rescore``: from a spec, with changes from the command line."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.rewards.suite import RewardSuite
from medix.spec.spec_fault import read_spec
from medix.spec.spec_file import build, find, working_directory_importable
from medix.spec.spec_reading import part_file
from medix.yaml_text import read_yaml


@dataclass(frozen=True)
class ReadSuite:
    """A suite and its names.

    Attributes:
        suite: the suite.
        name: short name, for a folder.
        title: name for tables and pages.
        changes: changes from the command line; empty if there are none.
    """

    suite: RewardSuite
    name: str
    title: str
    changes: str

    @property
    def label(self) -> str:
        """The title, with the changes."""
        return f"{self.title} ({self.changes})" if self.changes else self.title


def read_suite(spec: str | None, settings: Sequence[str], rescale: bool, run_spec: Path | None) -> ReadSuite:
    """Build the suite.

    Args:
        spec: a file, the name of a shipped part, or the spec of a run; None for the suite of the run itself.
        settings: ``KEY=VALUE`` changes, with keys relative to the suite.
        rescale: divide the weights of the components by their sum.
        run_spec: the spec of the run, if there is one.

    Raises:
        FileNotFoundError: the spec does not exist.
        ValueError: the spec or a setting is invalid; the message names it.
    """
    if spec is None and run_spec is None:
        raise ValueError("--rewards: there is no spec.yaml in the run to take its suite from; give a suite")
    try:
        path = run_spec if spec is None else find(spec, "rewards_")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"--rewards {spec}: {error}") from error
    assert path is not None
    source = f"--rewards {spec}" if spec is not None else f"the rewards of {path}"
    block, folder = _block(path, source)
    for setting in settings:
        _set(block, setting, folder)
    if rescale:
        _rescale(block, source)
    with working_directory_importable(), contextlib.chdir(folder):
        try:
            suite = build(RewardSuite, "rewards", block)
        except ValueError as error:
            changed = "".join(f" --set {setting}" for setting in settings)
            hint = "; or give --rescale" if "weights must sum to 1" in str(error) and not rescale else ""
            raise ValueError(f"{source}{changed}: {error}{hint}") from error
    name = "own" if spec is None else path.stem if path.stem != "spec" else path.parent.name
    changes = ", ".join([*settings, *(["weights rescaled"] if rescale else [])])
    return ReadSuite(suite, name, "the rewards of the run" if spec is None else name, changes)


def _block(path: Path, source: str) -> tuple[dict[str, Any], Path]:
    """The block of the suite in a file, and the folder that its relative paths refer to."""
    try:
        content = read_spec(path)
    except ValueError as error:
        raise ValueError(f"{source}: {str(error).removeprefix('--config ')}") from error
    if isinstance(content, dict):
        for holder in (content.get("model"), content):
            if isinstance(holder, dict) and "rewards" in holder:
                content = holder["rewards"]
                break
    if isinstance(content, str):  # the spec names a file that holds the suite
        inner = part_file("rewards", content, path.parent) or path.parent / content
        return _block(inner, source) if inner != path else ({}, path.parent)
    if not isinstance(content, dict) or not content.keys() & {"components", "class_path"}:
        raise ValueError(
            f"{source}: {path} does not describe a suite: it has neither components nor model.rewards; give a file "
            "like specs/parts/rewards_medical.yaml"
        )
    return content, path.parent.resolve()


def _set(block: dict[str, Any], setting: str, folder: Path) -> None:
    """Set one key; ``init_args`` may be omitted from it."""
    import yaml

    key, equals, text = setting.partition("=")
    if not equals or not all(key.split(".")):
        raise ValueError(f"--set {setting}: is not KEY=VALUE; give for example components.judge.weight=0.6")
    try:
        value = read_yaml(text)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {setting}: the value {text!r} is not YAML: {error}") from error
    *path, last = key.split(".")
    target = _inside(block, last if not path else path[0])
    for depth, part in enumerate(path):
        inner = target.get(part)
        if (file := part_file(part, inner, folder)) is not None:
            inner = target[part] = read_spec(file)
        # a missing component is an error; a missing argument has its default and may be set
        if inner is None and not (path[0] in ("components", "penalties") and depth < 2):
            inner = target[part] = {}
        if not isinstance(inner, dict):
            known = ", ".join(str(name) for name in target) or "nothing"
            raise ValueError(
                f"--set {setting}: there is no {'.'.join(path[: depth + 1])} in the suite; there is {known}"
            )
        target = _inside(inner, (*path, last)[depth + 1])
    if last == "class_path" and target.get(last) != value:
        target.pop("init_args", None)  # they belong to the previous class
    target[last] = value


def _inside(block: dict[str, Any], key: str) -> dict[str, Any]:
    """The mapping that a key of a block belongs to: the block itself, or the arguments of its class."""
    if "class_path" not in block or key in ("class_path", "init_args"):
        return block
    if not isinstance(block.get("init_args"), dict):
        block["init_args"] = {}
    inner: dict[str, Any] = block["init_args"]
    return inner


def _rescale(block: dict[str, Any], source: str) -> None:
    components = _inside(block, "components").get("components")
    entries = list(components.values()) if isinstance(components, dict) else []
    weights = [entry.get("weight") if isinstance(entry, Mapping) else None for entry in entries]
    numbers = [float(weight) for weight in weights if isinstance(weight, int | float)]
    total = math.fsum(numbers)
    if len(numbers) != len(weights) or not (math.isfinite(total) and total > 0):
        raise ValueError(
            f"{source} --rescale: the weights {weights} have no positive sum to divide by; give each component one"
        )
    for entry, number in zip(entries, numbers, strict=True):
        entry["weight"] = number / total
