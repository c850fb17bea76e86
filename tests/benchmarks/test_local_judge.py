"""Time of a judge in this process for the members of a group; ``pytest --benchmark-enable`` measures."""

from collections.abc import Callable
from typing import Any

import pytest
import transformers

from medix.judge import local_model
from medix.judge.common_prefix import CommonPrefix
from medix.judge.local import LocalJudge
from medix.types import JudgeQuestion
from tests.support.local_models import build_text_only

ANSWERS = ("right", "left", "the lung on the right side", "both", "YES", "5 mm", "right lung", "normal")
QUESTION = "Which side of the chest shows the pleural effusion on this radiograph?"
ASKED = [JudgeQuestion(QUESTION, "the right side", answer) for answer in ANSWERS]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> LocalJudge:
    """A random model of 4.9 M parameters with the shipped prompt."""
    folder = build_text_only(tmp_path_factory.mktemp("judge"), context=4096)
    config = transformers.AutoConfig.from_pretrained(folder)
    config.hidden_size, config.intermediate_size, config.num_hidden_layers = 256, 768, 6
    config.layer_types = ["full_attention"] * 6
    config.num_attention_heads, config.num_key_value_heads, config.head_dim = 4, 2, 64
    transformers.Qwen3ForCausalLM(config).save_pretrained(folder)
    return LocalJudge(str(folder), device="cpu")


def together(judge: LocalJudge) -> list[float | None]:
    return [verdict.credit for verdict in judge.grade(ASKED)]


def one_after_another(judge: LocalJudge) -> list[float | None]:
    return [judge.grade([question])[0].credit for question in ASKED]


@pytest.mark.parametrize("way", [together, one_after_another])
def test_grading_the_answers_of_a_group(
    benchmark: Any, judge: LocalJudge, way: Callable[[LocalJudge], list[float | None]]
) -> None:
    assert benchmark(way, judge) == one_after_another(judge)


def test_grading_the_answers_of_a_group_without_sharing(
    benchmark: Any, judge: LocalJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = together(judge)

    def alone(texts: Any, own: int = 1) -> list[CommonPrefix]:
        return [CommonPrefix((place,), 0) for place in range(len(texts))]

    monkeypatch.setattr(local_model, "common_prefixes", alone)
    assert benchmark(together, judge) == expected
