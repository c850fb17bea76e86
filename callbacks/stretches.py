"""The stretches of a run: its steps by the conditions they were made under, where a resume changed them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from medix.callbacks.spec_changes import changes
from medix.yaml_text import read_yaml

_SUITE = ("encoder", "judge", "template")
"""Parts of the identity of what a run measures with that may change although the spec does not."""
_ABOUT = "model.max_steps", "trainer.default_root_dir"
"""Keys that say how long and where, and not how."""

Stretch = dict[str, Any]
"""Plain data: ``after``, the last step before it; its ``spec``; ``suite`` and ``written_by``, what made it."""


def with_stretch(
    earlier: Sequence[Stretch], after: int, spec: str, suite: Mapping[str, str], written_by: Mapping[str, Any]
) -> list[Stretch]:
    """The stretches up to now; one more if the conditions are not those of the last.

    Args:
        earlier: of the checkpoint that the run goes on from; those that it does not go on from are left out.
        after: its step, 0 for a run that begins.
        spec: resolved spec, as text.
        suite: identity of what completions are measured with, by part.
        written_by: versions and processor.
    """
    kept = [one for one in earlier if one["after"] < after]
    known = {name: suite[name] for name in _SUITE if name in suite}
    new = {"after": after, "spec": spec, "suite": known, "written_by": dict(written_by)}
    return kept if kept and not list(_differences(kept[-1], new)) else [*kept, new]


def stretches_in(checkpoint: Mapping[str, Any]) -> list[Stretch]:
    """Those of a checkpoint; none if it was written before they were recorded."""
    found: list[Stretch] = (checkpoint.get("callbacks") or {}).get("SaveSpec", {}).get("stretches") or []
    return found


def told(stretches: Sequence[Stretch], step: int) -> list[tuple[str, str]]:
    """For each stretch its steps, and what changed where it began; empty for a run under one condition.

    Args:
        stretches: of the run.
        step: its last.
    """
    if len(stretches) < 2:
        return []
    ends = [*(one["after"] for one in stretches[1:]), max(step, stretches[-1]["after"])]
    steps = [f"{one['after'] + 1} to {end}" for one, end in zip(stretches, ends, strict=True)]
    changed = ["as the run began"]
    for before, now in pairwise(stretches):
        changed.append("; ".join(_differences(before, now)))
    return list(zip(steps, changed, strict=True))


def _differences(before: Stretch, now: Stretch) -> Iterator[str]:
    for change in changes(read_yaml(before["spec"]), read_yaml(now["spec"])):
        if change.key not in _ABOUT:
            yield change.values
    for part, names in (("suite", _SUITE), ("written_by", tuple(now.get("written_by") or ()))):
        ours, others = before.get(part) or {}, now.get(part) or {}
        for name in names:
            if name in ours and name in others and ours[name] != others[name]:
                yield f"{name}: {_shown(ours[name])} -> {_shown(others[name])}"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {entry}" for name, entry in value.items())
    return str(value) or "none"
