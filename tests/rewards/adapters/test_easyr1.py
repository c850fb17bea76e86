"""A suite as EasyR1's reward function, called as its managers call it."""

import importlib.util
import re
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medix.judge.scripted import ScriptedJudge
from medix.rewards.adapters.easyr1 import EasyR1Reward
from medix.rewards.format import FormatReward
from medix.rewards.judged import JudgeReward
from medix.rewards.length import SoftOverlongPenalty
from medix.rewards.modality import ModalityReward
from medix.rewards.scoring import UnscoredLimitError
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted

GOOD = "<CT_SCAN><think>r</think><answer>liver</answer>"
WRONG = "<CT_SCAN><think>r</think><answer>spleen</answer>"
DOWN = "<CT_SCAN><think>r</think><answer>cyst</answer>"
TEXT = "<think>r</think><answer>liver</answer>"


def suite_of() -> RewardSuite:
    parts = {"judge": Weighted(JudgeReward(), 0.6), "modality": Weighted(ModalityReward(), 0.4)}
    judge = ScriptedJudge(replies={"liver": "YES", "spleen": "NO", "cyst": None})
    return RewardSuite(parts, judge=judge, max_unscored=0.5)


def inputs(*completions: str, truth: str = "<CT_SCAN>\nliver", **others: Any) -> list[dict[str, Any]]:
    return [{"response": text, "response_length": len(text), "ground_truth": truth, **others} for text in completions]


def manager(function: Any, rows: list[dict[str, Any]]) -> tuple[list[float], dict[str, float]]:
    """``overall`` is the reward; every entry is collected by name and its mean is logged."""
    collected: dict[str, list[float]] = defaultdict(list)
    scores = partial(function)(rows)
    for score in scores:
        for key, value in score.items():
            collected[key].append(value)
    return [score["overall"] for score in scores], {f"reward/{key}": np.mean(it) for key, it in collected.items()}


def test_overall_is_the_total_and_the_logged_means_are_those_of_the_suite() -> None:
    suite = suite_of()
    rows = inputs(GOOD, WRONG) + inputs(TEXT, truth="liver")
    rewards, logged = manager(EasyR1Reward(suite), rows)
    assert rewards == pytest.approx([1.0, 0.4, 1.0])
    means = suite.compute()
    assert logged == pytest.approx(
        {
            "reward/overall": 0.8,
            "reward/judge": means["reward/judge"].item(),
            "reward/modality": means["reward/modality"].item(),  # over the two rows it applies to
            "reward/total/CT_SCAN": 0.7,
            "reward/total/TEXT_ONLY": 1.0,
            "reward/unscored": 0.0,
        }
    )


def test_one_component_can_be_called_accuracy() -> None:
    _, logged = manager(EasyR1Reward(suite_of(), accuracy="judge"), inputs(GOOD, WRONG))
    assert logged["reward/accuracy"] == logged["reward/judge"] == 0.5


def test_a_sequential_manager_gets_one_row() -> None:
    assert EasyR1Reward(suite_of()).single(inputs(WRONG)[0])["overall"] == pytest.approx(0.4)


def test_an_unscored_row_stops_the_run_or_has_the_stated_reward_and_no_entry() -> None:
    with pytest.raises(UnscoredLimitError, match=r"EasyR1Reward: 1 of 2 .*\n  1 x judge: the scripted judge cannot"):
        manager(EasyR1Reward(suite_of()), inputs(GOOD, DOWN))
    rewards, logged = manager(EasyR1Reward(suite_of(), unscored=0.3), inputs(GOOD, DOWN))
    assert rewards == [1.0, 0.3]
    assert logged["reward/judge"] == logged["reward/total/CT_SCAN"] == 1.0
    assert logged["reward/unscored"] == 0.5


def test_a_dead_judge_stops_a_run_with_a_stated_reward_too() -> None:
    with pytest.raises(UnscoredLimitError, match="4 of the last 4"):
        EasyR1Reward(suite_of(), unscored=0.3, window=2)(inputs(*[DOWN] * 4))


def test_the_token_count_is_known() -> None:
    parts = {"format": Weighted(FormatReward(), 1.0)}
    suite = RewardSuite(parts, penalties={"length": Weighted(SoftOverlongPenalty(100, 20), 1.0)})
    rows = [{"response": GOOD, "response_length": np.int64(90), "ground_truth": "<CT_SCAN>\nliver"}]
    assert EasyR1Reward(suite)(rows)[0]["overall"] == 0.5


def test_a_fork_that_passes_the_question_names_its_field() -> None:
    suite = suite_of()
    EasyR1Reward(suite, question="problem")(inputs(GOOD, problem="Which organ?"))
    EasyR1Reward(suite)(inputs(GOOD))
    asked = suite.components["judge"].judge.asked  # type: ignore[attr-defined]
    assert [each.question for each in asked] == ["Which organ?", ""]


@pytest.mark.parametrize("name", ["overall", "accuracy", "unscored"])
def test_names_that_easyr1_has_a_meaning_for_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"component '{name}'"):
        EasyR1Reward(RewardSuite({name: Weighted(FormatReward(), 1.0)}))


def test_an_accuracy_that_is_no_component_is_refused() -> None:
    with pytest.raises(ValueError, match="accuracy='exact' is no component; there are judge, modality"):
        EasyR1Reward(suite_of(), accuracy="exact")


def test_the_three_lines_of_the_docstring_are_a_reward_function(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", EasyR1Reward.__doc__ or "", re.DOTALL)
    lines = [line.strip() for line in code.strip().splitlines()]
    assert len(lines) == 3
    file = tmp_path / "my_reward.py"
    file.write_text("\n".join(lines))
    spec = importlib.util.spec_from_file_location("custom_reward_fn", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert manager(module.compute_score, inputs("nothing"))[0] == [0.0]


def test_a_template_that_opens_the_reasoning_is_named_by_an_argument() -> None:
    completion = "<CT_SCAN>r</think><answer>liver</answer>"
    suite = RewardSuite({"format": Weighted(FormatReward(), 0.5), "modality": Weighted(ModalityReward(), 0.5)})
    scored = EasyR1Reward(suite, prompt_prefix="<think>")(inputs(completion, GOOD))
    assert [row["overall"] for row in scored] == [1, 1]
    with pytest.warns(UserWarning, match=r"EasyR1Reward\(suite, prompt_prefix="):
        EasyR1Reward(suite)(inputs(completion))
