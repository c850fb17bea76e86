"""A suite as verl's compute_score, called as the managers of verl 0.9.1 call it."""

import asyncio
import importlib.util
import math
import pickle
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medix.judge.scripted import ScriptedJudge
from medix.rewards.adapters.verl import VerlReward
from medix.rewards.format import FormatReward
from medix.rewards.judged import JudgeReward
from medix.rewards.modality import ModalityReward
from medix.rewards.scoring import UnscoredLimitError
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted

GOOD = "<CT_SCAN><think>r</think><answer>liver</answer>"
WRONG = "<CT_SCAN><think>r</think><answer>spleen</answer>"
DOWN = "<CT_SCAN><think>r</think><answer>cyst</answer>"
TEXT = "<think>r</think><answer>liver</answer>"


def suite_of(max_unscored: float = 0.5) -> RewardSuite:
    parts = {"judge": Weighted(JudgeReward(), 0.6), "modality": Weighted(ModalityReward(), 0.4)}
    judge = ScriptedJudge(replies={"liver": "YES", "spleen": "NO", "cyst": None})
    return RewardSuite(parts, judge=judge, max_unscored=max_unscored)


def called(reward: VerlReward, completion: str, truth: str = "<CT_SCAN>\nliver", **extra: Any) -> dict[str, Any]:
    """One row as the reward loop calls it."""
    return reward(
        data_source="slake",
        solution_str=completion,
        ground_truth=truth,
        extra_info={"question": "Which organ?", "num_turns": None, "rollout_reward_scores": {}, **extra},
    )


def reward_loop(function: Any, rows: list[tuple[str, str]]) -> dict[str, np.ndarray[Any, Any]]:
    """Rows as tasks whose calls run in the loop's pool of threads; entries named by the first row, one array each."""
    wrapped = partial(lambda raw, extra, **given: raw(**{**given, **extra}), function, {})

    async def one(completion: str, truth: str) -> Any:
        fields = {"data_source": "s", "solution_str": completion, "ground_truth": truth}
        call = partial(wrapped, **fields, extra_info={"question": "q"}, reward_router_address="127.0.0.1:1")
        return await asyncio.get_running_loop().run_in_executor(None, call)

    async def every() -> list[Any]:
        return await asyncio.gather(*(one(*row) for row in rows))

    results = asyncio.run(every())
    return {key: np.array([result[key] for result in results]) for key in results[0]}


def validation_mean(values: np.ndarray[Any, Any]) -> float | None:
    kept = [value for value in values.tolist() if value is not None]
    return float(np.mean(kept)) if kept else None


def test_the_score_is_the_total_and_the_entries_say_what_made_it() -> None:
    entry = called(VerlReward(suite_of()), WRONG)
    assert entry["score"] == entry["reward/total"] == entry["reward/total/CT_SCAN"] == pytest.approx(0.4)
    assert (entry["reward/judge"], entry["reward/modality"]) == (0.0, 1.0)
    assert entry["reward/total/X_RAY"] is None
    assert (entry["reward/unscored"], entry["reason"]) == (0.0, "")


def test_every_row_has_the_entries_of_the_first() -> None:
    """verl looks up the names of the first row in all others."""
    reward = VerlReward(suite_of(), unscored=0.5)
    rows = [called(reward, GOOD), called(reward, DOWN), called(reward, TEXT, "liver"), called(reward, "nothing")]
    assert len({tuple(row) for row in rows}) == 1


def test_the_reward_loop_gets_means_per_modality_without_rows_of_others() -> None:
    suite = suite_of()
    rows = [(GOOD, "<CT_SCAN>\nliver"), (WRONG, "<CT_SCAN>\nliver"), (TEXT, "liver"), (TEXT, "liver")]
    columns = reward_loop(VerlReward(suite), rows)
    assert columns["score"].tolist() == pytest.approx([1.0, 0.4, 1.0, 1.0])
    means = suite.compute()
    for key in ("reward/total", "reward/total/CT_SCAN", "reward/total/TEXT_ONLY", "reward/judge", "reward/modality"):
        assert validation_mean(columns[key]) == pytest.approx(means[key].item())
    assert validation_mean(columns["reward/total/SPECT"]) is None
    assert validation_mean(columns["reward/unscored"]) == 0.0


def test_many_threads_count_every_row_once() -> None:
    suite = suite_of()
    reward_loop(VerlReward(suite), [(GOOD, "<CT_SCAN>\nliver")] * 50)
    assert suite.counts[1].sum() == 50


def test_the_batch_manager_gets_one_entry_per_row() -> None:
    entries = VerlReward(suite_of()).batch(
        data_sources=np.array(["s", "s"]).tolist(),
        solution_strs=[GOOD, TEXT],
        ground_truths=["<CT_SCAN>\nliver", "liver"],
        extra_infos=[{"question": "q"}, {"question": "q", "rollout_reward_scores": {}}],
    )
    assert [entry["score"] for entry in entries] == [1.0, 1.0]
    without = VerlReward(suite_of(), question=None)
    assert without.batch(["s"], [GOOD], ["<CT_SCAN>\nliver"])[0]["score"] == 1.0


def test_an_unscored_row_stops_the_run_and_never_becomes_a_zero() -> None:
    with pytest.raises(UnscoredLimitError, match=r"VerlReward: 1 of 1 .*\n  1 x judge: the scripted judge cannot"):
        called(VerlReward(suite_of()), DOWN)


def test_an_unscored_row_has_the_stated_reward_and_no_total() -> None:
    entry = called(VerlReward(suite_of(), unscored=0.3), DOWN)
    assert entry["score"] == 0.3
    assert entry["reward/total"] is None
    assert entry["reward/total/CT_SCAN"] is None
    assert entry["reward/judge"] is None
    assert entry["reward/unscored"] == 1.0
    assert entry["reason"] == "judge: the scripted judge cannot be reached"


def test_a_dead_judge_stops_a_run_with_a_stated_reward_too() -> None:
    reward = VerlReward(suite_of(), unscored=0.3, window=3)
    called(reward, DOWN)
    called(reward, DOWN)
    with pytest.raises(UnscoredLimitError, match="3 of the last 3"):
        called(reward, DOWN)


def test_older_versions_can_be_given_a_number_in_the_place_of_none() -> None:
    entry = called(VerlReward(suite_of(), absent=math.nan), TEXT, "liver")
    assert math.isnan(entry["reward/modality"])
    assert None not in entry.values()


def test_question_modality_and_aliases_come_from_extra_info() -> None:
    suite = suite_of()
    called(VerlReward(suite, modality="kind"), GOOD, "liver", kind="CT_SCAN", aliases=["hepar"])
    asked = suite.components["judge"].judge.asked  # type: ignore[attr-defined]
    assert (asked[0].question, asked[0].aliases) == ("Which organ?", ("hepar",))
    assert suite.compute()["reward/total/CT_SCAN"] == 1.0
    with pytest.raises(ValueError, match=r"VerlReward: row 0: the question is read from 'question', which is missing"):
        VerlReward(suite)("s", GOOD, "liver")


def test_the_three_lines_of_the_docstring_are_a_reward_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", VerlReward.__doc__ or "", re.DOTALL)
    lines = [line.strip() for line in code.strip().splitlines()]
    assert len(lines) == 3
    file = tmp_path / "my_reward.py"
    file.write_text("\n".join(lines))
    spec = importlib.util.spec_from_file_location("custom_module", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert called(module.compute_score, "nothing")["score"] == 0.0
    assert list(module.compute_score.suite.components) == ["format", "modality", "judge", "embedding"]


def test_a_pickled_reward_scores() -> None:
    reward = VerlReward(RewardSuite({"format": Weighted(FormatReward(), 1.0)}))
    assert called(pickle.loads(pickle.dumps(reward)), GOOD)["score"] == 1.0


def test_a_template_that_opens_the_reasoning_is_named_by_an_argument() -> None:
    completion = "<CT_SCAN>r</think><answer>liver</answer>"
    suite = RewardSuite({"format": Weighted(FormatReward(), 0.5), "modality": Weighted(ModalityReward(), 0.5)})
    assert called(VerlReward(suite, prompt_prefix="<think>"), completion)["score"] == 1
    assert called(VerlReward(suite, prompt_prefix="<think>"), GOOD)["score"] == 1
    with pytest.warns(UserWarning, match=r"VerlReward\(suite, prompt_prefix="):
        assert called(VerlReward(suite), completion)["score"] == 0.5
    with pytest.warns(UserWarning, match=r"VerlReward\(suite, prompt_prefix="):
        VerlReward(suite).batch(["s"] * 2, [completion] * 2, ["<CT_SCAN>\nliver"] * 2, [{"question": "q"}] * 2)
