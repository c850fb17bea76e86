"""Tiny language models in a folder, the plain pass that shared ones are compared with, and a prompt of a few words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from medix.judge.local_model import LocalModel
from medix.judge.prompt import JudgePrompt
from medix.judge.verdict import YesNoRule
from medix.policy.tiny import build_tiny
from medix.types import JudgeQuestion


class AnswerLast(JudgePrompt):
    """Question and reference first, so that the members of a group share a prefix."""

    version = "answer-last-1"
    options = ("YES", "NO")
    rule = YesNoRule()
    max_tokens = 6

    @property
    def constraint(self) -> Mapping[str, Any]:
        return {"choice": list(self.options)}

    def render(self, question: JudgeQuestion) -> str:
        return f"{question.question}\nreference: {question.reference}\nanswer: {question.answer}\nYES or NO?"


class FreeAnswerLast(AnswerLast):
    """The same, with nothing that holds the reply to a form."""

    version = "free-answer-last-1"

    @property
    def constraint(self) -> Mapping[str, Any]:
        return {}


def build_text_only(folder: Path, context: int = 512) -> Path:
    """A Qwen3 with random weights and the tokenizer of a tiny policy; the embeddings are not the head."""
    build_tiny("qwen3_vl", folder / "multimodal")
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder / "multimodal")
    settings = transformers.Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=context,
        initializer_range=0.2,
        tie_word_embeddings=False,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(1)
    made: Any = transformers.Qwen3ForCausalLM(settings)
    made.save_pretrained(folder / "text")
    tokenizer.save_pretrained(folder / "text")
    return folder / "text"


def plain(model: LocalModel) -> Any:
    """The same weights without what ``LocalModel`` does to them."""
    return type(model.model).from_pretrained(model.name).eval()


@torch.no_grad()
def plain_logprobs(plain: Any, texts: Sequence[Sequence[int]], options: Sequence[Sequence[int]]) -> list[list[float]]:
    """One pass for each text and option."""
    rows = []
    for text in texts:
        row = []
        for option in options:
            logprobs = plain(input_ids=torch.tensor([[*text, *option]])).logits[0].log_softmax(-1)
            row.append(sum(float(logprobs[len(text) - 1 + place, token]) for place, token in enumerate(option)))
        rows.append(row)
    return rows


class Passes:
    """Counts the tokens of every pass of a model.

    Args:
        model: whose ``forward`` is watched.
    """

    def __init__(self, model: LocalModel) -> None:
        self.shapes: list[tuple[int, ...]] = []
        model.model.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, module: Any, given: Any, named: Mapping[str, Any]) -> None:
        self.shapes.append(tuple(named["input_ids"].shape))
