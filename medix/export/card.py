"""The model card of an exported policy."""

from collections.abc import Mapping, Sequence
from typing import Any

from medix.callbacks.watched import reward_judges
from medix.evaluation.validation import incomparable
from medix.export.usage import usage
from medix.modules.group_rl import GroupRLModule
from medix.policy.asking import Asking
from medix.reporting.table import number
from medix.spec.trainer_keys import long_form

_MEASURES = ("reward", "accuracy", "modality_accuracy", "unscored")
USE = "Research use, not for clinical decisions."


def model_card(
    module: GroupRLModule,
    spec: dict[str, Any],
    step: int,
    validations: Sequence[Mapping[str, Any]],
    asking: Asking | None = None,
    stretches: Sequence[tuple[str, str]] = (),
) -> str:
    """Base, data, rewards and numbers of a policy, as the README of its folder.

    Args:
        module: what was trained.
        spec: its resolved spec.
        step: steps trained.
        validations: of the run, as plain data.
        asking: how the policy was asked; None leaves the section about it out.
        stretches: steps of the run, and what changed where they began; empty for a run under one condition.
    """
    policy = module.policy.fingerprint()
    data = spec.get("data") or {}
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: image-text-to-text",
        f"base_model: {policy['name']}",
        "tags: [medical, reinforcement-learning, medix]",
        "---",
        "",
        f"# {policy['name']}, trained with medix",
        "",
        f"**{USE}** It can be wrong, and confidently so; no output of it may be used in the care of patients.",
        "",
        "## How it was made",
        "",
        f"- base: `{policy['name']}`" + (f", LoRA {policy['lora']} merged" if policy.get("lora") else ""),
        f"- algorithm: {type(module.loss).__name__}, {type(module.advantage).__name__}, "
        f"{module.engine.sampling.completions_per_prompt} completions per prompt, {step} step{'s' * (step != 1)} of "
        f"{module.prompts_per_step} prompts",
        f"- rewards: {', '.join(f'{name} {weight:g}' for name, weight in module.rewards.weights.items())}",
        f"- precision: {_precision(spec)}",
        f"- judge: {', '.join(reward_judges(module)) or 'none'}",
        f"- train data: {', '.join(map(str, data.get('train') or [])) or 'not stated'}",
        f"- validation data: {', '.join(map(str, data.get('val') or [])) or 'not stated'}",
        *_stretches(stretches),
        "",
        "## What it writes",
        "",
        "`<TAG><think>reasoning</think><answer>answer</answer>`, the tag naming the imaging modality, one of: "
        f"{', '.join(module.modalities)}. Without an image it writes no tag.",
        "",
        *(usage(asking, module.policy) if asking is not None else ()),
        "## Numbers",
        "",
        *_table({entry["step"]: entry for entry in validations}, step),
        "",
    ]
    return "\n".join(lines)


def _stretches(stretches: Sequence[tuple[str, str]]) -> list[str]:
    """How the run was continued otherwise than it began, which the lines above, of its last steps, do not say."""
    if not stretches:
        return []
    lines = [f"  - steps {steps}: {' '.join(changed.split())}" for steps, changed in stretches]
    return ["- the run was continued under other conditions; the above is how it ended:", *lines]


def _precision(spec: dict[str, Any]) -> str:
    """The precision of training; where it is not float32, how the weights here may answer differently."""
    precision = long_form((spec.get("trainer") or {}).get("precision"))
    if precision == "32-true":
        return precision
    return (
        f"{precision}; computed in another precision, or by other kernels, the weights may write another text where "
        "two tokens are almost equally likely"
    )


def _table(validations: Mapping[int, Mapping[str, Any]], step: int) -> list[str]:
    """The validation of the step that is exported, which need not be the last or the best of the run."""
    after = validations.get(step)
    if after is None:
        made = ", ".join(map(str, sorted(validations))) or "none"
        return [f"No validation was made after step {step} (steps with one: {made})."]
    judged = [f"Judged by {after['judge']}."] if after.get("judge") else []
    earlier = [validations[number] for number in sorted(validations) if number < step]
    before = next((one for one in earlier if not incomparable(one, after)), None)
    if before is None:
        lines = [
            f"| on validation | after step {step} |",
            "|---|---|",
            *(f"| {name.replace('_', ' ')} | {_number(after.get(name))} |" for name in _MEASURES),
            "",
            *judged,
        ]
        if not earlier:
            return [*lines, "No earlier validation was made, so that nothing is compared."]
        found = " and ".join(incomparable(earlier[0], after))
        return [*lines, f"The validation of step {earlier[0]['step']} was made with {found}, and is not compared."]
    return [
        f"| on validation | after step {before['step']} | after step {step} |",
        "|---|---|---|",
        *(
            f"| {name.replace('_', ' ')} | {_number(before.get(name))} | {_number(after.get(name))} |"
            for name in _MEASURES
        ),
        "",
        *judged,
    ]


def _number(value: Any) -> str:
    return number(float(value)) if isinstance(value, int | float) else "not measured"
