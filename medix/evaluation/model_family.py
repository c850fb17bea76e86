"""Families of models by their names, for a warning: judges favour what their own family writes."""

import re
from collections.abc import Mapping

_FAMILIES = {
    "Qwen": r"qwen|qwq|qvq",
    "Llama": r"llama|vicuna|alpaca",
    "Gemma": r"gemma|gemini",
    "Mistral": r"mi[sx]tral|ministral|magistral|pixtral",
    "Phi": r"\bphi-?[0-9]",
    "GPT": r"gpt-?[0-9o]|\bo[134](?:-|\b)",
    "Claude": r"claude",
    "DeepSeek": r"deepseek",
    "SmolLM": r"smol(?:lm|vlm)",
    "InternLM": r"intern(?:lm|vl)",
    "GLM": r"\b(?:chat)?glm",
}


def families(text: str) -> frozenset[str]:
    """The families that a name, or the identity of a judge, contains."""
    return frozenset(name for name, pattern in _FAMILIES.items() if re.search(pattern, text, re.IGNORECASE))


def judge_warnings(model: Mapping[str, str], judge: str) -> list[str]:
    """Why the verdicts of a judge on a model may be too good.

    Args:
        model: of ``run.json``: ``name``, and where they are known ``base`` and ``training_judge``.
        judge: identity of the judge.
    """
    found = []
    trainer = model.get("training_judge", "")
    shared = families(judge) & families(trainer)
    if trainer and trainer != "none" and (trainer == judge or trainer in judge or judge in trainer):
        found.append(f"the judge {judge} is the one that rewarded the training of {model['name']}; give another")
    elif shared:
        found.append(f"the judge {judge} is of the family ({', '.join(sorted(shared))}) of the judge that rewarded the "
                     f"training of {model['name']}, {trainer}; compare with one of another family")  # fmt: skip
    own = families(judge) & families(f"{model.get('name', '')} {model.get('base', '')}")
    if own:
        found.append(f"the judge {judge} and the model {model['name']} are of one family ({', '.join(sorted(own))}), "
                     "and judges favour their own; compare with one of another family")  # fmt: skip
    return found
