"""A judge in this process against batched ``generate`` of transformers; ``pytest --benchmark-enable`` measures.

The two sides alternate within one process and are measured in CPU time, so that other work on the machine matters
little; the ratio of each pair is printed as median (smallest to largest).
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
import transformers

from medix.judge.local import LocalJudge
from medix.judge.prompt import YesNoPrompt
from medix.special_tokens import CompletionDecoder
from medix.types import JudgeQuestion
from tests.support.local_models import build_text_only

ANSWERS = ("right", "left", "the lung on the right side", "both", "YES", "5 mm", "right lung", "normal")
QUESTIONS = tuple(
    f"Which side of the {place} shows the pleural effusion on this radiograph?"
    for place in ("chest", "lung", "thorax", "patient")
)
ASKED = [JudgeQuestion(question, "the right side", answer) for question in QUESTIONS for answer in ANSWERS]


class FreeYesNo(YesNoPrompt):
    """The shipped prompt with an unconstrained reply of four tokens."""

    version = "free-yes-no"
    max_tokens = 4

    @property
    def constraint(self) -> Mapping[str, Any]:
        """None."""
        return {}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> LocalJudge:
    """A Qwen3 with random weights and 32 M parameters; YES and NO are one token each, as in large vocabularies."""
    folder = build_text_only(tmp_path_factory.mktemp("judge"), context=4096)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["YES", "NO"])
    tokenizer.save_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.vocab_size = len(tokenizer)
    config.hidden_size, config.intermediate_size, config.num_hidden_layers = 512, 1536, 10
    config.layer_types = ["full_attention"] * 10
    config.num_attention_heads, config.num_key_value_heads, config.head_dim = 8, 4, 64
    torch.manual_seed(1)
    model = transformers.Qwen3ForCausalLM(config)
    assert model.num_parameters() >= 30_000_000
    model.save_pretrained(folder)
    return LocalJudge(str(folder), device="cpu")


class Plain:
    """The same questions through ``generate``: left padding, greedy, sorted by length, 16 texts at once."""

    def __init__(self, judge: LocalJudge, batch: int = 16) -> None:
        self.judge, self.batch = judge, batch
        self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(judge.model, padding_side="left")
        self.model: Any = transformers.AutoModelForCausalLM.from_pretrained(judge.model).eval()
        ends = self.model.generation_config.eos_token_id
        self.decode = CompletionDecoder(self.tokenizer, ends if isinstance(ends, list) else [ends])

    @torch.inference_mode()
    def replies(self, asked: Sequence[JudgeQuestion]) -> list[str]:
        """The reply to every question, in order."""
        prompt, allowed = self.judge.prompt, None
        if prompt.constraint:
            choice = [self.tokenizer(word).input_ids[0] for word in prompt.constraint["choice"]]
            allowed = lambda row, ids: choice  # noqa: E731
        texts = [
            self.tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt.render(question)}],
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,
            )
            for question in asked
        ]
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        replies = [""] * len(texts)
        for start in range(0, len(order), self.batch):
            places = order[start : start + self.batch]
            given = self.tokenizer(
                [texts[place] for place in places], padding=True, return_tensors="pt", add_special_tokens=False
            )
            written = self.model.generate(
                **given,
                max_new_tokens=1 if allowed else prompt.max_tokens,
                do_sample=False,
                prefix_allowed_tokens_fn=allowed,
            )
            said = [self.decode(row) for row in written[:, given.input_ids.shape[1] :].tolist()]
            for place, reply in zip(places, said, strict=True):
                replies[place] = reply
        return replies


def cpu_seconds(function: Callable[[], Any]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


@pytest.mark.timeout(3600)
@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("prompt", [YesNoPrompt(), FreeYesNo()], ids=["choice", "four_tokens"])
def test_judging_groups_of_eight_answers(
    benchmark: Any, judge: LocalJudge, prompt: YesNoPrompt, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four groups; each prompt has about 790 tokens, of which 540 are common to its group."""
    judge = judge.asking(prompt)
    asked = ASKED if benchmark.enabled else ASKED[:2]
    plain = Plain(judge)
    assert [verdict.reply for verdict in judge.grade(asked)] == plain.replies(asked)
    seconds: list[float] = []

    def measure_plain() -> None:
        seconds.append(cpu_seconds(lambda: plain.replies(asked)))

    benchmark.pedantic(judge.grade, args=(asked,), setup=measure_plain, rounds=3)
    if benchmark.enabled:
        ratios = sorted(plain / own for plain, own in zip(seconds, benchmark.stats.stats.data, strict=True))
        benchmark.extra_info |= {"generate_seconds": seconds, "ratios": ratios}
        with capsys.disabled():
            low, median, high = ratios
            sys.stdout.write(f"\n{prompt.version}: generate / LocalJudge {median:.2f} ({low:.2f} to {high:.2f})\n")
