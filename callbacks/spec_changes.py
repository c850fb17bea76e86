"""What a resumed run does with the keys of its spec that changed since the checkpoint."""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medix.spec.trainer_keys import long_form

_ANEW = "Give the value it was trained with, or start afresh in another trainer.default_root_dir"

REFUSED: Sequence[tuple[str, str]] = (
    (r"model\.policy\.(class_path|init_args\.(name|lora|freeze_vision|dtype))", "its trained weights fit no other"),
    (r"model\.optimizer\.class_path", "the state of one optimizer means nothing to another"),
    (r"model\.(loss|reward_kl)\.class_path|model\.reward_kl(?!\.)", "the steps so far had another objective"),
    (r".*\.coefficient\.(class_path|init_args\.initial)", "the coefficient has adapted since the start"),
    (r"model\.engine\.init_args\.sampling\.(init_args\.)?completions_per_prompt", "groups that wait have another size"),
    (r"model\.prompts_per_step", "the order of the data and the schedule count steps of one size"),
    (r"model\.modalities", "groups that wait have other prompts"),
    (r"data\.(seed|window|mixture|selector)", "the order of the training data would be another"),
    (r"seed_everything", "the random states continue from the checkpoint"),
)
"""Keys, as patterns that match them or a part of theirs, that cannot change; and why."""

USED: Sequence[tuple[str, str]] = (
    (
        r"model\.optimizer\.init_args\.initial_accumulator_value",
        "no effect: the optimizer keeps its state, which begins with it",
    ),
    (r"model\.optimizer", "used; the optimizer keeps its state"),
    (r"model\.lr_scheduler", "used, as if the schedule had been this one from the start"),
    (r"trainer\.limit_val_batches", "used; validations of other samples are not compared"),
    (r"data\.train", "used if the samples are the same ones, else an error"),
    (r"trainer\.callbacks", "used; a best checkpoint by another metric or rewards is chosen anew"),
)
"""Keys whose new value is used with a consequence to know; every other key is just used.

What a change of rewards, judge, prompts or precision means is told by the suites of both runs, not by the key.
"""


MEASURES = re.compile(
    r"(judge|model\.(judge|rewards|prompting|modalities|evaluation|policy)|trainer\.precision|"
    r"model\.engine\.(class_path|init_args\.dtype))(\..*)?"
)
"""Keys that decide what an evaluation of a checkpoint measures, but for its data."""


_NOT_MEASURED = frozenset({"max_unscored", "patience", "cached_references", "device", "batch_size"})
"""Keys of rewards, and of their encoders, that decide how scores are reached and not which."""


@dataclass(frozen=True)
class Change:
    """One key whose value differs between a checkpoint and the run that goes on from it.

    Attributes:
        key: dotted name.
        before: value in the spec of the checkpoint.
        now: value in the spec of this run.
        refusal: why it cannot change; empty if the new value is used.
        treatment: what is done with the new value.
    """

    key: str
    before: Any
    now: Any
    refusal: str
    treatment: str

    def line(self) -> str:
        """``model.max_steps: 4 -> 8 (used)``."""
        return f"{self.values} ({self.treatment})"

    @property
    def values(self) -> str:
        """``model.max_steps: 4 -> 8``."""
        return f"{self.key}: {_short(self.before)} -> {_short(self.now)}"


class SpecChangeError(ValueError):
    """A resumed run changes a key that cannot change."""


def changes(before: Any, now: Any) -> list[Change]:
    """The keys that differ, in order of their names.

    Args:
        before: the resolved spec of the checkpoint.
        now: that of this run.
    """
    return [_change(*found) for found in sorted(differences(before, now), key=lambda found: found[0])]


def refuse(changed: Sequence[Change], checkpoint: str) -> None:
    """Refuse keys that cannot change.

    Raises:
        SpecChangeError: names each such key with both values and the reason.
    """
    refused = [one for one in changed if one.refusal]
    if refused:
        lines = "\n".join(
            f"  {one.key}: {_short(one.before)} in the checkpoint, {_short(one.now)} in this spec ({one.refusal})"
            for one in refused
        )
        raise SpecChangeError(f"{checkpoint} was written by another spec:\n{lines}\n{_ANEW}")


def differences(before: Any, now: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted keys with both values, where they differ; a key that one side lacks has None there."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in before.keys() | now.keys():
            yield from differences(before.get(name), now.get(name), f"{prefix}{name}.")
    elif before != now:
        yield prefix.removesuffix("."), before, now


def as_measured(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved spec in which what decides no measurement is left out, and values with two names have one."""
    model, trainer = spec.get("model") or {}, spec.get("trainer") or {}
    rewards = _without(_NOT_MEASURED, _without_ask(model.get("rewards")))
    precision = long_form(trainer.get("precision"))
    return {**spec, "model": {**model, "rewards": rewards}, "trainer": {**trainer, "precision": precision}}


def suite_identity(
    spec: Mapping[str, Any],
    judges: Sequence[str],
    samples: str | None = None,
    template: str = "",
    encoders: Sequence[str] = (),
) -> dict[str, str]:
    """Identity of what validations measure with: two of them are comparable if all parts are equal, and the samples.

    Limits of batches and numbers of ranks decide which samples of a split are read: ``Validation.judged`` tells.

    Args:
        spec: a resolved spec.
        judges: identities of the judges that are asked, each in its place, so that two that change places are another
            suite. The spec's own entries are not used: the address of a server changes no verdict. Only of judges that
            are not ours they are, as ``own_judges`` (empty without any): what their identity leaves out may change
            verdicts.
        samples: digest of the validation manifests, whose paths alone do not say what is in them; None if unknown.
        template: digest of a prompt template of one's own, likewise; empty for a shipped one.
        encoders: identities of the encoders of the rewards, each in its place: a folder may hold another one by now.
    """
    measured = as_measured(spec)
    model, data = measured["model"], spec.get("data") or {}
    foreign = [entry for found in _judges(spec) for entry in _foreign(found)]
    return {
        "own_judges": _digest(foreign) if foreign else "",
        "rewards": _digest(_without({"judge"}, model["rewards"])),
        "judge": ", ".join(judges if len(set(judges)) > 1 else judges[:1]),
        "encoder": ", ".join(dict.fromkeys(encoders)),
        "sampling": _digest(model.get("evaluation")),
        "prompts": _digest([model.get("prompting"), model.get("modalities")]),
        "template": template,
        "precision": _precision(measured["trainer"], model.get("engine") or {}),
        "data": _digest(
            [
                samples or data.get("val"),
                *(data.get(name) for name in ("limit_val", "exchange_images", "on_long")),
            ]
        ),
    }


def _precision(trainer: Mapping[str, Any], engine: Mapping[str, Any]) -> str:
    """In what the policy computes, and its engine where that has a precision of its own."""
    dtype = (engine.get("init_args") or {}).get("dtype")
    return str(trainer["precision"]) + (f", engine {dtype}" if dtype else "")


def _change(key: str, before: Any, now: Any) -> Change:
    refusal = next((why for pattern, why in REFUSED if _matches(pattern, key)), "")
    treatment = next((text for pattern, text in USED if _matches(pattern, key)), "used")
    return Change(key, before, now, refusal, "refused" if refusal else treatment)


def _matches(pattern: str, key: str) -> bool:
    """Whether the pattern describes the key or one that contains it."""
    return re.fullmatch(rf"(?:{pattern})(?:\..*)?", key) is not None


def _without_ask(rewards: Any) -> Any:
    """The rewards without the key that says from where judge and encoder are asked."""
    if not isinstance(rewards, Mapping) or not _is_ours(rewards):
        return rewards
    return {
        name: _without_ask(entry) if name == "init_args" else entry for name, entry in rewards.items() if name != "ask"
    }


def _without(keys: Collection[str], value: Any, *, are_names: bool = False) -> Any:
    """Without keys of a suite and its components. Classes that are not of this package keep all of their arguments:
    there a key may mean something else.

    Args:
        keys: what is left out.
        value: a part of the spec.
        are_names: the keys of the part name components, of any name.
    """
    if isinstance(value, Mapping):
        if not _is_ours(value):
            return value
        return {
            name: _without(keys, entry, are_names=name in ("components", "penalties"))
            for name, entry in value.items()
            if are_names or name not in keys
        }
    return [_without(keys, entry) for entry in value] if isinstance(value, list | tuple) else value


def _judges(value: Any, *, are_names: bool = False) -> Iterator[Any]:
    """The entries of judges in a spec; ``are_names``: the keys name components, of any name."""
    if isinstance(value, Mapping):
        for name, entry in value.items():
            if name == "judge" and not are_names:
                yield entry
            else:
                yield from _judges(entry, are_names=name in ("components", "penalties"))
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _judges(entry)


def _foreign(entry: Any) -> Iterator[Mapping[str, Any]]:
    """The parts of an entry whose class is not one of this package, each with its arguments."""
    if isinstance(entry, Mapping):
        if not _is_ours(entry):
            yield entry
            return
        entry = list(entry.values())
    if isinstance(entry, list | tuple):
        for part in entry:
            yield from _foreign(part)


def _is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether an entry names a class of this package, or none."""
    path = entry.get("class_path")
    return not isinstance(path, str) or path.startswith("medix.")


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
