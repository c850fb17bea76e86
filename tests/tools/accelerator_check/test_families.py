"""Every family is compared with its plain pass; a wrong pass is a failure."""

from functools import partial
from pathlib import Path
from typing import get_args

import pytest
import torch

from medix.policy.tiny import Architecture
from medix.policy.vision_language import VisionLanguagePolicy
from tools.accelerator_check.families import Families
from tools.accelerator_check.part import Row


def test_every_family_is_proven_and_flex_attention_asked_of_a_gpu(tmp_path: Path) -> None:
    rows: dict[str, Row] = {}
    Families(tmp_path, tiny=True).run("families", lambda row: rows.update({row.case: row}))
    for family in get_args(Architecture):
        for dtype in ("bfloat16", "float32"):
            row = rows[f"{family} {dtype} sdpa"]
            assert row.outcome == "proven", row.message
            assert 0 <= row.numbers["mean_difference"] <= row.numbers["allowed"]
            if not torch.cuda.is_available():
                assert rows[f"{family} {dtype} flex_attention"].message == "FlexAttention needs a GPU"


@pytest.fixture
def compare(tmp_path: Path) -> partial[object]:
    return partial(Families(tmp_path, tiny=True)._compare, "qwen3_vl", "float32", "sdpa")


def test_a_wrong_pass_is_a_failure(monkeypatch: pytest.MonkeyPatch, compare: partial[object]) -> None:
    """After the self-check, the shared pass gives something else."""
    pass_of = VisionLanguagePolicy.logprobs

    def shifted(policy: VisionLanguagePolicy, *given: object) -> torch.Tensor:
        return pass_of(policy, *given) + 0.01 * policy.shared_prefix  # type: ignore[arg-type]

    monkeypatch.setattr(VisionLanguagePolicy, "logprobs", shifted)
    with pytest.raises(RuntimeError, match=r"log-probabilities differ by 0\.01 on average, allowed are 0\.0002"):
        compare()


def test_a_family_that_does_not_share_prompts_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, compare: partial[object]
) -> None:
    monkeypatch.setattr("medix.policy.vision_language.why_plain", lambda *given: "its attention is unknown")
    with (
        pytest.warns(UserWarning, match="its attention is unknown"),
        pytest.raises(RuntimeError, match="qwen3_vl makes the plain pass"),
    ):
        compare()
