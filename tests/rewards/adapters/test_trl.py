"""A suite as TRL's reward function: the texts, the columns, what is logged, and a step of the real trainer."""

import importlib.metadata
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from medix.judge.scripted import ScriptedJudge
from medix.policy.tiny import build_tiny
from medix.rewards.adapters.rows import Row
from medix.rewards.adapters.trl import TRLReward, _groups, text_of
from medix.rewards.format import FormatReward
from medix.rewards.judged import JudgeReward
from medix.rewards.normalisation import GroupNormalisation
from medix.rewards.scoring import UnscoredLimitError
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from tests.support.tokenizers import ids, tokenizer

if TYPE_CHECKING:  # TRL imports vLLM, which takes ten seconds that every worker would wait when it collects tests
    from datasets import Dataset
    from trl import GRPOTrainer

REPLIES = {"liver": "YES", "spleen": "NO", "lung": "YES", "heart": "NO", "cyst": None}
WRITTEN = {
    "Which organ?": [
        "<CT_SCAN><think>r</think><answer>liver</answer>",
        "<CT_SCAN><think>r</think><answer>spleen</answer>",
        "<CT_SCAN><think>r</think><answer>cyst</answer>",
        "<think>r</think><answer>liver</answer>",
    ],
    "What is seen?": [
        "<X_RAY><think>r</think><answer>lung</answer>",
        "<X_RAY><think>r</think><answer>heart</answer>",
        "<X_RAY><think>r</think><answer>cyst</answer>",
        "nothing",
    ],
}
"""Totals of half format, half judge: 1, 0.5, none, 0.5 on the CT and 1, 0.5, none, 0 on the X-ray."""


def suite_of(max_unscored: float = 0.3, **others: Any) -> RewardSuite:
    parts = {"format": Weighted(FormatReward(), 0.5), "judge": Weighted(JudgeReward(), 0.5)}
    return RewardSuite(parts, judge=ScriptedJudge(replies=REPLIES), max_unscored=max_unscored, **others)


class Logs:
    """What TRL passes, and what came of it."""

    def __init__(self) -> None:
        self.extra: dict[str, list[Any]] = {}
        self.metrics: dict[str, list[float]] = defaultdict(list)

    def log_extra(self, column: str, values: list[Any]) -> None:
        self.extra[column] = values

    def log_metric(self, name: str, value: float) -> None:
        self.metrics[name].append(value)

    def means(self) -> dict[str, float]:
        return {name: sum(values) / len(values) for name, values in self.metrics.items()}


def call(reward: TRLReward, completions: list[Any], logs: Logs | None = None, **columns: Any) -> list[float | None]:
    """As TRL calls it; two prompts unless the columns say otherwise."""
    logs = logs or Logs()
    rows = len(completions)
    given = {
        "prompts": ["Which organ?"] * rows,
        "completion_ids": [[1] * (number + 1) for number in range(rows)],
        "solution": ["<CT_SCAN>\nliver"] * rows,
        "problem": ["Which organ?"] * rows,
    }
    return reward(
        completions=completions,
        trainer_state=object(),
        log_extra=logs.log_extra,
        log_metric=logs.log_metric,
        **(given | columns),
    )


def test_an_unscored_row_is_none_and_the_others_are_python_floats() -> None:
    rewards = call(TRLReward(suite_of()), WRITTEN["Which organ?"])
    assert rewards == [1.0, 0.5, None, 0.5]
    assert [type(value) for value in rewards if value is not None] == [float] * 3


@pytest.mark.parametrize("version", ["0.24.0", "1.5.1"])
def test_a_trl_that_takes_unscored_rows_for_wrong_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """Before 1.6, TRL made 1, none, 0 of a group to 1, 0, 0: nansum over functions that all gave none is 0."""
    monkeypatch.setattr(importlib.metadata, "version", lambda name: version)
    with pytest.raises(ValueError, match=rf"trl {version} takes a row .* for a reward of 0.*install trl>=1\.6"):
        TRLReward(suite_of())


def test_trl_need_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert call(TRLReward(suite_of()), ["nothing"]) == [0.0]


def test_trl_names_it_as_it_was_named() -> None:
    assert TRLReward(suite_of()).__name__ == "medix"
    assert TRLReward(suite_of(), name="radiology").__name__ == "radiology"


def test_metrics_have_the_keys_and_the_means_of_the_suite() -> None:
    suite, logs = suite_of(), Logs()
    call(
        TRLReward(suite),
        WRITTEN["Which organ?"] + WRITTEN["What is seen?"],
        logs,
        solution=["<CT_SCAN>\nliver"] * 4 + ["<X_RAY>\nlung"] * 4,
    )
    expected = {key: value.item() for key, value in suite.compute().items() if not value.isnan()}
    assert logs.means() == pytest.approx(expected)
    assert expected["reward/total"] == pytest.approx(3.5 / 6)
    assert expected["reward/total/CT_SCAN"] == pytest.approx(2 / 3)
    assert expected["reward/judge/unscored"] == 0.25


def test_columns_for_the_table_of_completions_say_why_a_row_is_unscored() -> None:
    logs = Logs()
    call(TRLReward(suite_of()), WRITTEN["Which organ?"], logs)
    assert logs.extra["medix/format"] == [1.0, 1.0, 1.0, 0.0]
    assert logs.extra["medix/judge"] == [1.0, 0.0, None, 1.0]
    assert logs.extra["medix/reason"][2] == "judge: the scripted judge cannot be reached"
    assert logs.extra["medix/reason"][0] == ""


def test_it_works_without_the_loggers_of_newer_versions() -> None:
    reward = TRLReward(suite_of())
    text = WRITTEN["Which organ?"][0]
    assert reward(["p"], [text], solution=["<CT_SCAN>\nliver"], problem=["q"]) == [1.0]


@pytest.mark.parametrize(
    "completion",
    [
        [{"role": "assistant", "content": WRITTEN["Which organ?"][0]}],
        [{"role": "assistant", "content": [{"type": "text", "text": WRITTEN["Which organ?"][0]}]}],
        [
            {"role": "assistant", "content": "<CT_SCAN><think>r</think>", "tool_calls": []},
            {"role": "tool", "content": "<answer>spleen</answer>"},
            {"role": "assistant", "content": "<answer>liver</answer>"},
        ],
    ],
    ids=["text", "parts", "tools"],
)
def test_conversations_are_read_as_what_the_policy_wrote(completion: list[dict[str, Any]]) -> None:
    assert call(TRLReward(suite_of()), [completion]) == [1.0]


def test_a_message_without_content_is_an_empty_text() -> None:
    assert text_of([{"role": "assistant", "content": None}]) == ""
    assert text_of([{"role": "assistant"}]) == ""


def test_a_completion_that_trl_took_apart_is_decoded_again_or_refused() -> None:
    """Qwen's response template gives ``<X_RAY><think>r</think>…`` without the tag."""
    completion = [{"role": "assistant", "reasoning_content": "r", "content": "<answer>liver</answer>"}]
    with pytest.raises(ValueError, match=r"'reasoning_content'.*tokenizer=\.\.\."):
        call(TRLReward(suite_of()), [completion])

    class Decoder:
        def batch_decode(self, sequences: Any, *, skip_special_tokens: bool) -> list[str]:
            assert skip_special_tokens
            return [WRITTEN["Which organ?"][len(ids) - 1] for ids in sequences]

    assert call(TRLReward(suite_of(), tokenizer=Decoder()), [completion, completion]) == [1.0, 0.5]


def test_the_question_can_be_that_of_the_prompt() -> None:
    suite = suite_of()
    prompt = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "An earlier one?"},
        {"role": "user", "content": [{"type": "image", "image": None}, {"type": "text", "text": "Which organ?"}]},
    ]
    call(TRLReward(suite, question=None), WRITTEN["Which organ?"][:1], prompts=[prompt], problem=["another"])
    judge = suite.components["judge"].judge  # type: ignore[attr-defined]
    assert [asked.question for asked in judge.asked] == ["Which organ?"]


def test_columns_can_have_other_names() -> None:
    reward = TRLReward(suite_of(), reference="answer", question="ask", modality="kind", aliases="also", source="from")
    columns = {"answer": ["liver"], "ask": ["q"], "kind": ["CT_SCAN"], "also": [["hepar"]], "from": ["slake"]}
    assert call(reward, WRITTEN["Which organ?"][:1], **columns) == [1.0]
    asked = reward.suite.components["judge"].judge.asked  # type: ignore[attr-defined]
    assert asked[0].aliases == ("hepar",)


def test_a_missing_column_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"reference is read from 'answer', which is missing; there are solution, pro"):
        call(TRLReward(suite_of(), reference="answer"), WRITTEN["Which organ?"][:1])


def test_token_counts_and_truncation_come_from_the_token_ids() -> None:
    reward = TRLReward(suite_of(), end_token_ids=[7])
    columns = {"solution": ["liver"] * 3, "problem": ["q"] * 3}
    rows = reward._rows(["p"] * 3, ["a", "b", "c"], [[1, 2, 7], [1, 2], []], columns)
    assert [(row.token_count, row.is_truncated) for row in rows] == [(3, False), (2, True), (0, False)]
    unknown = TRLReward(suite_of())._rows(["p"], ["a"], None, {"solution": ["liver"], "problem": ["q"]})
    assert (unknown[0].token_count, unknown[0].is_truncated) == (None, False)


def test_too_many_unscored_rows_stop_training_unless_that_is_switched_off() -> None:
    dead = ["<CT_SCAN><think>r</think><answer>cyst</answer>"] * 2
    with pytest.raises(UnscoredLimitError, match=r"2 of 2 .*\n *2 x judge: the scripted judge cannot be reached"):
        call(TRLReward(suite_of()), dead)
    assert call(TRLReward(suite_of(), enforces_limit=False), dead) == [None, None]


def test_the_limit_holds_for_all_processes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of four is unscored here: five of eight with a process of four dead rows, one of eight with four good."""
    others: list[tuple[int, list[str]]] = [(4, ["judge: down"] * 4)]

    def all_gather_object(found: list[Any], value: Any) -> None:
        found[:] = [value, *others]

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_gather_object", all_gather_object)
    with pytest.raises(UnscoredLimitError, match=r"5 of 8 .*\n *4 x judge: down\n *1 x judge: the scripted"):
        call(TRLReward(suite_of()), WRITTEN["Which organ?"])
    others[0] = (4, [])
    assert call(TRLReward(suite_of(max_unscored=0.125)), WRITTEN["Which organ?"])[2] is None


def test_a_suite_that_normalises_gives_what_advantages_are_taken_of() -> None:
    """Judge 1, 0, -, 1 in a group: mean 2/3; the unscored row leaves it."""
    suite, logs = suite_of(normalisation=GroupNormalisation()), Logs()
    rewards = call(TRLReward(suite, group_size=4), WRITTEN["Which organ?"], logs)
    scored = [value for value in rewards if value is not None]
    assert rewards[2] is None
    assert len(scored) == 3
    assert scored != [1.0, 0.5, 0.5]
    assert logs.means()["reward/total"] == pytest.approx(2 / 3)  # totals stay what they were


def row_of(question: str = "q", reference: str = "r") -> Row:
    return Row("c", reference, question, None)


def test_groups_are_runs_of_what_was_asked_the_same_cut_to_their_size() -> None:
    rows = [("p", row_of())] * 4 + [("p", row_of("other"))] * 2 + [("p2", row_of("other"))]
    assert _groups(rows, None) == [0, 0, 0, 0, 1, 1, 2]
    assert _groups(rows, 2) == [0, 0, 1, 1, 2, 2, 3]
    assert _groups([], 2) == []


@given(st.lists(st.integers(0, 2), max_size=12), st.integers(1, 4))
def test_groups_are_numbered_in_order_and_never_too_large(asked: list[int], size: int) -> None:
    groups = _groups([(str(number), row_of()) for number in asked], size)
    assert groups == sorted(groups)
    assert all(groups.count(group) <= size for group in groups)
    assert len({(group, number) for group, number in zip(groups, asked, strict=True)}) == len(set(groups))


def test_a_group_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="group_size=0"):
        TRLReward(suite_of(), group_size=0)


# The real trainer


def dataset() -> "Dataset":
    from datasets import Dataset

    questions = list(WRITTEN)
    return Dataset.from_dict(
        {
            "prompt": [[{"role": "user", "content": question}] for question in questions],
            "image": [Image.new("RGB", (64, 64), (40 * number, 90, 10)) for number in range(2)],
            "problem": questions,
            "solution": ["<CT_SCAN>\nliver", "<X_RAY>\nlung"],
        }
    )


def scripted(prompts: list[Any], trainer: "GRPOTrainer") -> dict[str, Any]:
    """Writes what the test wants written, four completions per prompt."""
    prompt_ids, _, _ = trainer._tokenize_prompts(prompts)
    texts = [WRITTEN[text_of(prompt)][number % 4] + "<|im_end|>" for number, prompt in enumerate(prompts)]
    ids = trainer.processing_class.tokenizer(texts)["input_ids"]
    return {"prompt_ids": prompt_ids, "completion_ids": ids, "logprobs": None}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("tiny"))


def train(policy: Path, output: Path, reward: TRLReward, *, is_scripted: bool, **others: Any) -> "GRPOTrainer":
    from trl import GRPOConfig, GRPOTrainer

    args = GRPOConfig(
        output_dir=str(output),
        report_to="none",
        use_cpu=True,
        bf16=False,
        max_steps=1,
        num_generations=4,
        per_device_train_batch_size=8,
        max_completion_length=4,
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
        gradient_checkpointing=False,
        learning_rate=1e-2,
        **others,
    )
    trainer = GRPOTrainer(
        model=AutoModelForImageTextToText.from_pretrained(policy, dtype=torch.float32),
        reward_funcs=reward,
        args=args,
        train_dataset=dataset(),
        processing_class=AutoProcessor.from_pretrained(policy, padding_side="left"),
        rollout_func=scripted if is_scripted else None,
    )
    trainer.train()
    return trainer


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")


@pytest.mark.usefixtures("quiet")
def test_a_step_of_the_real_trainer_logs_the_means_of_the_suite_and_learns_nothing_from_unscored_rows(
    policy: Path, tmp_path: Path
) -> None:
    suite = suite_of()
    trainer = train(policy, tmp_path, TRLReward(suite), is_scripted=True, log_completions=True)
    logged = trainer.state.log_history[0]
    means = {key: value.item() for key, value in suite.compute().items()}
    assert logged["rewards/medix/mean"] == logged["reward"] == pytest.approx(means["reward/total"])
    assert means["reward/total"] == pytest.approx(3.5 / 6)  # with zeros for the unscored it were 3.5 / 8
    expected = {key: value for key, value in means.items() if not math.isnan(value)}
    assert {key: logged[key] for key in expected} == pytest.approx(expected)
    assert logged["reward/total/CT_SCAN"] == pytest.approx(2 / 3)
    assert logged["reward/total/X_RAY"] == pytest.approx(0.5)
    assert logged["reward/judge/unscored"] == 0.25
    assert "reward/total/SPECT" not in logged
    assert logged["grad_norm"] > 0
    (table,) = (tmp_path / "completions").glob("*.parquet")
    check_advantages(pd.read_parquet(table))


def check_advantages(table: pd.DataFrame) -> None:
    """Unscored rows have the advantage 0; the others that of their group without them."""
    by_text = {text_of(list(row["completion"])): row for _, row in table.iterrows()}
    for question, texts in WRITTEN.items():
        rows = [by_text[text] for text in texts]
        scored = torch.tensor([row["medix"] for row in rows if not math.isnan(row["medix"])])
        assert len(scored) == 3, question
        for row in rows:
            if math.isnan(row["medix"]):
                assert row["advantage"] == 0
                assert "cannot be reached" in row["medix/reason"]
            else:
                expected = (row["medix"] - scored.mean()) / (scored.std() + 1e-4)
                assert row["advantage"] == pytest.approx(expected.item(), abs=1e-4)


def test_what_the_policy_itself_writes_is_scored(policy: Path, tmp_path: Path) -> None:
    """An untrained policy writes no answer: format and judge are 0, and none of it is unscored."""
    trainer = train(policy, tmp_path, TRLReward(suite_of()), is_scripted=False)
    logged = trainer.state.log_history[0]
    assert logged["reward/total"] == logged["rewards/medix/mean"] == 0.0
    assert logged["reward/total/unscored"] == 0.0
    json.dumps(trainer.state.log_history)


@pytest.mark.usefixtures("quiet")
def test_a_dead_judge_stops_the_real_trainer(policy: Path, tmp_path: Path) -> None:
    suite = suite_of()
    suite.use_judge(ScriptedJudge(default=None))
    with pytest.raises(UnscoredLimitError, match=r"7 of 8 .*\n *7 x judge: the scripted judge cannot be reached"):
        train(policy, tmp_path, TRLReward(suite), is_scripted=True)


# Templates that open the reasoning, and special tokens.

REST = "<CT_SCAN>r</think><answer>liver</answer>"


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [
        ("user: Which organ?\nassistant\n<think>\n", REST),
        ("assistant: <THINKING>", REST.replace("think", "thinking")),
        ([{"role": "user", "content": "Which organ?"}, {"role": "assistant", "content": "<CT_SCAN><think>so "}],
         [{"role": "assistant", "content": "r</think><answer>liver</answer>"}]),
        ("user: <think>?\nassistant:", WRITTEN["Which organ?"][0]),
    ],
    ids=["text", "other tag", "prefilled messages", "not at its end"],
)  # fmt: skip
def test_what_the_prompt_shows_to_hold_is_found_out(prompt: Any, completion: Any) -> None:
    assert call(TRLReward(suite_of()), [completion], prompts=[prompt]) == [1.0]


def test_what_a_template_adds_to_messages_is_an_argument_and_its_absence_a_warning() -> None:
    prompt = [{"role": "user", "content": "Which organ?"}]
    completion = [{"role": "assistant", "content": REST}]
    assert call(TRLReward(suite_of(), prompt_prefix="<think>"), [completion], prompts=[prompt]) == [1.0]
    with pytest.warns(UserWarning, match=r"TRLReward\(suite, prompt_prefix='<think>'\)"):
        assert call(TRLReward(suite_of()), [completion], prompts=[prompt]) == [0.5]


def test_a_tag_that_the_tokenizer_marks_as_special_is_kept_with_its_tokenizer() -> None:
    """TRL's own text has no special tokens: only the ids tell."""
    marked = tokenizer(tags_are_special=True)
    written = ids(WRITTEN["Which organ?"][0], marked)
    for end, ends in ((marked.eos_token_id, ()), (ids("<EOS>", marked)[0], (ids("<EOS>", marked)[0],))):
        reward = TRLReward(suite_of(), tokenizer=marked, end_token_ids=ends)
        assert call(reward, ["rliver"], completion_ids=[[*written, end]]) == [1.0]


def test_the_special_token_that_a_completion_ends_with_need_not_be_the_tokenizers_end_token() -> None:
    """Gemma's generation config ends completions at <end_of_turn>, its tokenizer names <eos>."""
    reward = TRLReward(suite_of(), tokenizer=tokenizer())
    written = WRITTEN["Which organ?"][0]
    assert call(reward, ["cut"], completion_ids=[ids(f"{written}<EOS>")]) == [1.0]
    assert call(reward, ["cut"], completion_ids=[ids(f"{written}<EOS>left")]) == [0.5]
