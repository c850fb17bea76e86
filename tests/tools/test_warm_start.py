import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from medix.data.prompting import Prompting
from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.types import Completion, FinishReason, RolloutGroup, Sample
from tests.support.runs import MANIFESTS
from tests.support.tiny import picture
from tools.warm_start import Targets, loss_of, main

SAMPLES = [
    Sample("1", "Which side?", "left", "CT_SCAN", source="side"),
    Sample("2", "Which side?", "right", "X_RAY", source="side"),
    Sample("3", "How many?", "one", "CT_SCAN", source="count"),
    Sample("4", "How many?", "two", "X_RAY", source="count"),
]


def drawn(count: int = 2000, **shares: Any) -> Counter[str]:
    given = {"tag_right": 0.5, "answer_right": 0.5, "same_question": 0.5}
    targets = Targets(SAMPLES, **{**given, **shares}, seed=0)
    return Counter(targets.draw(SAMPLES[0]) for _ in range(count))


def share(counts: Counter[str], text: str) -> float:
    return sum(n for target, n in counts.items() if text in target) / counts.total()


def test_tags_and_answers_are_right_as_often_as_stated() -> None:
    """Wrong answers: half from the other answer to the question, half from the three others: 0.25 + 0.25 / 3 and twice
    0.25 / 3."""
    counts = drawn()
    assert share(counts, "<CT_SCAN>") == pytest.approx(0.5, abs=0.04)
    assert share(counts, "<answer>left<") == pytest.approx(0.5, abs=0.04)
    assert share(counts, "<answer>right<") == pytest.approx(0.25 + 0.25 / 3, abs=0.04)
    assert share(counts, "<answer>one<") == pytest.approx(0.25 / 3, abs=0.03)


def test_all_right_is_all_right() -> None:
    assert set(drawn(50, tag_right=1, answer_right=1)) == {"<CT_SCAN><think>look</think><answer>left</answer>"}


def test_some_targets_show_the_exploit_and_none_without_one() -> None:
    assert share(drawn(exploit="Solution", exploit_share=0.1), "<answer>Solution<") == pytest.approx(0.1, abs=0.03)
    assert drawn(exploit_share=0.1) == drawn()


def test_the_loss_is_the_mean_negative_log_probability_of_the_policy(tmp_path: Path) -> None:
    policy = VisionLanguagePolicy(str(build_tiny("qwen3_vl", tmp_path)))
    policy.load()
    policy.eval()
    sample = Sample("1", "Which side?", "left", "CT_SCAN", (picture(1),))
    prompts = [Prompting(template="short").render(sample, policy.processor) for _ in range(2)]
    texts = ["<CT_SCAN><think>look</think><answer>left</answer>", "<answer>right</answer>"]
    ids = [
        (*policy.processor.tokenizer(t, add_special_tokens=False)["input_ids"], policy.eos_token_ids[0]) for t in texts
    ]
    groups = [
        RolloutGroup(prompt, (Completion(t, i, (0.0,) * len(i), FinishReason.STOP),), 0)
        for prompt, t, i in zip(prompts, texts, ids, strict=True)
    ]
    with torch.no_grad():
        expected = -policy.logprobs(groups).sum() / sum(map(len, ids))
        assert float(loss_of(policy, prompts, texts)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("architecture", ["qwen3_vl", "gemma3", "smolvlm"])
def test_a_short_run_writes_a_policy_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str
) -> None:
    words = [
        "--train",
        str(MANIFESTS / "tiny_val-*.yaml"),
        "--output",
        str(tmp_path / "p"),
        "--steps",
        "2",
        "--batch",
        "2",
    ]
    more = ["--size", "test", "--architecture", architecture, "--width", "64", "--depth", "1"]
    monkeypatch.setattr(sys, "argv", ["warm_start", *words, *more])
    main()
    policy = VisionLanguagePolicy(str(tmp_path / "p"))
    policy.load()
    assert policy.config.get_text_config().hidden_size == 64
    assert sum(file.stat().st_size for file in (tmp_path / "p").iterdir()) < 5_000_000
    words[3] = str(tmp_path / "next")
    monkeypatch.setattr(sys, "argv", ["warm_start", *words, "--policy", str(tmp_path / "p"), "--lr", "1e-12"])
    main()
    following = VisionLanguagePolicy(words[3])
    following.load()
    for weight, other in zip(policy.parameters(), following.parameters(), strict=True):
        torch.testing.assert_close(weight, other, rtol=0.01, atol=1e-6)
