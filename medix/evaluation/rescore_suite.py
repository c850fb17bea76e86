"""The reward suite of ``medix rescore``: from a spec, with changes of the command line."""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.rewards.suite import RewardSuite
from medix.spec_fault import read_spec
from medix.spec_file import build, find, working_directory_importable


@dataclass(frozen=True)
class ReadSuite:
    """A suite and its names.

    Attributes:
        suite: the suite.
        name: short, for a folder name.
        called: for tables and pages.
        changes: what was changed on the command line; empty if nothing.
    """

    suite: RewardSuite
    name: str
    called: str
    changes: str

    @property
    def label(self) -> str:
        """The name for tables and pages, with the changes."""
        return f"{self.called} ({self.changes})" if self.changes else self.called


def read_suite(spec: str | None, settings: Sequence[str], rescale: bool, run_spec: Path | None) -> ReadSuite:
    """Build the suite.

    Args:
        spec: a file, the name of a shipped part, or the spec of a run; None is the suite of the run itself.
        settings: ``KEY=VALUE``, with keys that begin within the suite.
        rescale: divide the weights of the components by their sum.
        run_spec: the spec of the run, if there is one.

    Raises:
        FileNotFoundError: no such spec.
        ValueError: the spec or a setting does not describe a suite; says which and why.
    """
    if spec is None and run_spec is None:
        raise ValueError("--rewards: there is no spec.yaml beside the run to take its suite from; name a suite")
    try:
        path = run_spec if spec is None else find(spec, "rewards_")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"--rewards {spec}: {error}") from error
    assert path is not None
    said = f"--rewards {spec}" if spec is not None else f"the rewards of {path}"
    block, folder = _block(path, said)
    for setting in settings:
        _set(block, setting, folder)
    if rescale:
        _rescale(block, said)
    with working_directory_importable(), contextlib.chdir(folder):
        try:
            suite = build(RewardSuite, "rewards", block)
        except ValueError as error:
            changed = "".join(f" --set {setting}" for setting in settings)
            hint = "; or give --rescale" if "weights must sum to 1" in str(error) and not rescale else ""
            raise ValueError(f"{said}{changed}: {error}{hint}") from error
    name = "own" if spec is None else path.stem if path.stem != "spec" else path.parent.name
    changes = ", ".join([*settings, *(["weights rescaled"] if rescale else [])])
    return ReadSuite(suite, name, "the rewards of the run" if spec is None else name, changes)


def _block(path: Path, said: str) -> tuple[dict[str, Any], Path]:
    """The suite's part of a file, and the folder its relative paths count from."""
    try:
        content = read_spec(path)
    except ValueError as error:
        raise ValueError(f"{said}: {str(error).removeprefix('--config ')}") from error
    if isinstance(content, dict):
        for holder in (content.get("model"), content):
            if isinstance(holder, dict) and "rewards" in holder:
                content = holder["rewards"]
                break
    if isinstance(content, str):  # the spec names a file that holds the suite
        inner = path.parent / content
        return _block(inner, said) if inner != path else ({}, path.parent)
    if not isinstance(content, dict) or not content.keys() & {"components", "class_path"}:
        raise ValueError(
            f"{said}: {path} describes no suite: it has neither components nor a model with rewards; name a file like "
            "specs/parts/rewards_medical.yaml"
        )
    return content, path.parent.resolve()


def _set(block: dict[str, Any], setting: str, folder: Path) -> None:
    """Change one key; ``init_args`` need not be named."""
    import yaml

    key, equals, text = setting.partition("=")
    if not equals or not all(key.split(".")):
        raise ValueError(f"--set {setting}: is no KEY=VALUE; give for example components.judge.weight=0.6")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"--set {setting}: the value {text!r} is not YAML: {error}") from error
    *path, last = key.split(".")
    place = _inside(block, last if not path else path[0])
    for depth, part in enumerate(path):
        inner = place.get(part)
        if isinstance(inner, str) and (folder / inner).is_file():
            inner = place[part] = read_spec(folder / inner)
        # a component that is not there is a slip; an argument that is not there has its default, and may be set
        if inner is None and not (path[0] in ("components", "penalties") and depth < 2):
            inner = place[part] = {}
        if not isinstance(inner, dict):
            known = ", ".join(str(name) for name in place) or "nothing"
            raise ValueError(
                f"--set {setting}: there is no {'.'.join(path[: depth + 1])} in the suite; there is {known}"
            )
        place = _inside(inner, (*path, last)[depth + 1])
    if last == "class_path" and place.get(last) != value:
        place.pop("init_args", None)  # those of another class
    place[last] = value


def _inside(block: dict[str, Any], key: str) -> dict[str, Any]:
    """Where a key of a block belongs: beside its class, or among the arguments of the class."""
    if "class_path" not in block or key in ("class_path", "init_args"):
        return block
    if not isinstance(block.get("init_args"), dict):
        block["init_args"] = {}
    inner: dict[str, Any] = block["init_args"]
    return inner


def _rescale(block: dict[str, Any], said: str) -> None:
    components = _inside(block, "components").get("components")
    entries = list(components.values()) if isinstance(components, dict) else []
    weights = [entry.get("weight") if isinstance(entry, Mapping) else None for entry in entries]
    numbers = [float(weight) for weight in weights if isinstance(weight, int | float)]
    total = math.fsum(numbers)
    if len(numbers) != len(weights) or not (math.isfinite(total) and total > 0):
        raise ValueError(f"{said} --rescale: the weights {weights} have no sum to divide by; give each component one")
    for entry, number in zip(entries, numbers, strict=True):
        entry["weight"] = number / total
