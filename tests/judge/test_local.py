"""A judge in this process: its verdicts against plain passes, and what becomes of every failure."""

import copy
import pickle
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from medix.files.model_folder import folder_digest
from medix.judge import Judge, JudgePrompt, LocalJudge
from medix.judge.local_model import LocalModel, Reply
from medix.judge.prompt import YesNoPrompt
from medix.judge.prompt_explained import ExplainedYesNoPrompt
from medix.judge.verdict import ReadReply, ReplyRule
from medix.rewards.judged import JudgeReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.spec import spec_file
from medix.types import JudgeQuestion, Status, Verdict
from tests.support.local_models import AnswerLast, FreeAnswerLast, Passes, build_text_only, plain, plain_logprobs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_text_only(tmp_path_factory.mktemp("judge"))


@pytest.fixture(scope="module")
def shared(folder: Path) -> LocalJudge:
    """One judge with its weights; tests take siblings of it."""
    return LocalJudge(str(folder), AnswerLast(), device="cpu")


@pytest.fixture(scope="module")
def alone(shared: LocalJudge) -> Any:
    """The same weights for plain passes."""
    return plain(loaded(shared))


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> LocalJudge:
    """A judge whose context holds the shipped prompts in the many tokens of a tiny vocabulary."""
    return LocalJudge(str(build_text_only(tmp_path_factory.mktemp("roomy"), context=4096)), device="cpu")


@pytest.fixture
def judge(folder: Path) -> Iterator[LocalJudge]:
    """A judge that a test may break."""
    made = LocalJudge(str(folder), AnswerLast(), device="cpu")
    yield made
    made.close()


def loaded(judge: LocalJudge) -> LocalModel:
    with judge._weights.held(1.0) as model:
        return model


def group(*answers: str, question: str = "Which lung is collapsed?") -> list[JudgeQuestion]:
    return [JudgeQuestion(question, "the right lung", answer) for answer in answers]


MEMBERS = ("right", "left", "the lung on the right side", "", "YES", "5 mm", "right lung", "normal")


class Even(ReplyRule):
    """Whatever is written is a verdict: whether its length is even."""

    def _verdict(self, text: str) -> ReadReply:
        return ReadReply(float(len(text) % 2 == 0))

    def _is_settled(self, text: str) -> bool:
        return True


class AnythingGoes(FreeAnswerLast):
    version = "anything-1"
    rule = Even()


def expected(alone: Any, judge: LocalJudge, questions: list[JudgeQuestion]) -> list[tuple[float, float]]:
    """Credit and confidence by one plain pass for each question and option."""
    model = loaded(judge)
    options = [tuple(model.tokenizer(word).input_ids) for word in ("YES", "NO")]
    texts = [model.tokens(judge.prompt.render(question)) for question in questions]
    shares = torch.tensor(plain_logprobs(alone, texts, options)).softmax(-1).tolist()
    return [(float(yes > no), max(yes, no)) for yes, no in shares]


# Verdicts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", [AnswerLast(), YesNoPrompt()], ids=lambda prompt: prompt.version)
def test_verdicts_and_confidences_are_those_of_one_pass_per_question(roomy: LocalJudge, prompt: JudgePrompt) -> None:
    judge = roomy.asking(prompt)
    questions = [*group(*MEMBERS), *group("yes", "no", question="Is a fracture seen?")]
    found = judge.grade(questions)
    wanted = expected(plain(loaded(judge)), judge, questions)
    assert [verdict.credit for verdict in found] == [credit for credit, _ in wanted]
    assert [verdict.confidence for verdict in found] == pytest.approx([share for _, share in wanted], abs=1e-4)
    assert {(verdict.reply, verdict.credit) for verdict in found} <= {("YES", 1.0), ("NO", 0.0)}
    assert {verdict.judge for verdict in found} == {judge.identity}
    assert all(verdict.latency > 0 and verdict.reason == "" for verdict in found)


def test_a_multimodal_model_judges_text(tiny_policy: Path) -> None:
    judge = LocalJudge(str(tiny_policy), AnswerLast(), device="cpu")
    questions = group(*MEMBERS[:4])
    found = judge.grade(questions)
    wanted = expected(plain(loaded(judge)), judge, questions)
    assert type(loaded(judge).model).__name__ == "Qwen3VLForConditionalGeneration"
    assert [verdict.confidence for verdict in found] == pytest.approx([share for _, share in wanted], abs=1e-4)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answers=st.lists(st.sampled_from(MEMBERS) | st.text("left rgh5m", max_size=12), min_size=1, max_size=6),
    questions=st.lists(st.sampled_from(["Which side?", "Which side is affected?", "?"]), min_size=1, max_size=2),
    at_once=st.sampled_from([1, 200, 16_384]),
)
def test_any_groups_in_batches_of_any_size_get_the_verdicts_of_plain_passes(
    shared: LocalJudge, alone: Any, answers: list[str], questions: list[str], at_once: int
) -> None:
    judge = copy.copy(shared)
    judge.tokens_at_once = at_once
    asked = [one for question in questions for one in group(*answers, question=question)]
    wanted = expected(alone, judge, asked)
    for verdict, (credit, share) in zip(judge.grade(asked), wanted, strict=True):
        assert verdict.confidence == pytest.approx(share, abs=1e-4)
        assert verdict.credit == credit or abs(share - 0.5) < 1e-3


def test_the_common_prefix_of_a_group_is_computed_once(judge: LocalJudge) -> None:
    model, questions = loaded(judge), group(*MEMBERS)
    texts = [model.tokens(judge.prompt.render(question)) for question in questions]
    common = next(n for n in range(len(texts[0])) if len({tuple(text[: n + 1]) for text in texts}) > 1)
    passes = Passes(model)
    judge.grade([*questions, *questions])
    rests = max(len(text) - common for text in texts)
    assert common >= 40
    options = model.option_tokens(["YES", "NO"])
    # beside its text, each row has all tokens of an option but the last
    assert passes.shapes == [(1, common), (8 * model.rows_per_text(options), rests + max(map(len, options)) - 1)]


def test_batches_hold_no_more_tokens_than_allowed(judge: LocalJudge) -> None:
    model, questions = loaded(judge), group(*MEMBERS)
    longest = max(len(model.tokens(judge.prompt.render(question))) for question in questions)
    widest = model.rows_per_text(model.option_tokens(["YES", "NO"]))
    judge.tokens_at_once = 3 * widest * (longest + 2)
    passes = Passes(model)
    judge.grade(questions)
    assert widest == 2
    assert max(rows for rows, _ in passes.shapes) == 6


def test_questions_that_want_text_are_answered_by_greedy_decoding(shared: LocalJudge, alone: Any) -> None:
    judge, questions = shared.asking(AnythingGoes()), group(*MEMBERS)
    model = loaded(judge)
    for question, verdict in zip(questions, judge.grade(questions), strict=True):
        row = torch.tensor([model.tokens(judge.prompt.render(question))])
        written = alone.generate(input_ids=row, attention_mask=torch.ones_like(row), max_new_tokens=6, do_sample=False)
        reply = model.tokenizer.decode(written[0, row.shape[1] :], skip_special_tokens=True)
        assert verdict.reply == reply
        assert verdict.credit == float(len(reply) % 2 == 0) or not verdict.is_scored
    assert any(verdict.is_scored for verdict in judge.grade(questions))


def test_what_is_written_is_read_by_the_prompts_rule_with_its_explanation_and_confidence(
    roomy: LocalJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token of the score has 1 at 0.6 and 0 at 0.2: a confidence of 0.75."""
    model = loaded(roomy)
    tokens = model.tokenizer('{"explanation": "same side", "score": 1}').input_ids
    one, zero = (model.tokenizer(text).input_ids[0] for text in "10")
    likely = [{token: -0.1} for token in tokens]
    place = len(tokens) - 1 - tokens[::-1].index(one)
    likely[place] = {one: -0.5108256, zero: -1.6094379, 9: -3.0}
    monkeypatch.setattr(LocalModel, "write", lambda self, texts, limits: [Reply(tokens, likely) for _ in texts])
    (verdict,) = roomy.asking(ExplainedYesNoPrompt()).grade(group("right"))
    assert (verdict.credit, verdict.explanation) == (1.0, "same side")
    assert verdict.confidence == pytest.approx(0.75, abs=1e-4)
    cut = Reply(tokens, likely, is_cut=True)
    monkeypatch.setattr(LocalModel, "write", lambda self, texts, limits: [cut for _ in texts])
    (verdict,) = roomy.asking(ExplainedYesNoPrompt()).grade(group("right"))
    assert verdict.credit is None
    assert "raise judge.max_tokens" in verdict.reason


# One judge, several users --------------------------------------------------------------------------------------------


def test_it_grades_completions_in_a_suite(shared: LocalJudge, alone: Any) -> None:
    suite = RewardSuite({"judge": Weighted(JudgeReward(shared), 1.0)})
    answers = ("right", "left", "the right one")
    table = suite.score(
        completions=[*(f"<think>a</think><answer>{answer}</answer>" for answer in answers), "no answer"],
        references=["right"] * 4,
        questions=["Which side?"] * 4,
        modalities=[None] * 4,
    )
    wanted = [
        credit
        for credit, _ in expected(alone, shared, [JudgeQuestion("Which side?", "right", answer) for answer in answers])
    ]
    assert table.total.tolist() == [*wanted, 0.0]
    assert set(table.status) == {Status.SCORED}


def test_siblings_share_weights_and_copies_go_without(judge: LocalJudge) -> None:
    before = judge.grade(group("right"))
    sibling = judge.asking(YesNoPrompt())
    assert sibling._weights is judge._weights
    for copied in (copy.deepcopy(judge), pickle.loads(pickle.dumps(judge))):
        assert copied._weights is not judge._weights
        assert copied._weights._model is None
        assert copied.identity == judge.identity
        assert graded(copied.grade(group("right"))) == graded(before)
    assert len(pickle.dumps(judge)) < 5000


def graded(verdicts: list[Verdict]) -> list[tuple[float | None, float | None]]:
    return [(verdict.credit, verdict.confidence) for verdict in verdicts]


def test_a_closed_judge_releases_its_weights_and_may_be_used_again(judge: LocalJudge) -> None:
    before = judge.grade(group("right"))
    model = loaded(judge)
    judge.close()
    judge.close()
    assert model.model is None
    assert judge._weights._model is None
    assert graded(judge.grade(group("right"))) == graded(before)


def test_two_threads_read_the_weights_once_and_both_get_verdicts(
    judge: LocalJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    usual = LocalModel.__init__

    def counted(self: LocalModel, name: str, *rest: Any) -> None:
        made.append(name)
        usual(self, name, *rest)

    monkeypatch.setattr(LocalModel, "__init__", counted)
    found: list[list[Verdict]] = []
    threads = [threading.Thread(target=lambda: found.append(judge.grade(group("right")))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 1
    assert len({tuple(graded(each)) for each in found}) == 1
    assert len(found) == 3


def test_a_thread_that_keeps_the_weights_leaves_others_unscored(shared: LocalJudge) -> None:
    waiting = copy.copy(shared)
    waiting.patience = 0.05
    with shared._weights.held(1.0):
        (verdict,) = waiting.grade(group("right"))
        with pytest.raises(TimeoutError, match="close it later"):
            waiting.close()
    assert verdict.credit is None
    assert "another thread has been grading for 0.05 s" in verdict.reason


# Name ----------------------------------------------------------------------------------------------------------------


def test_the_identity_names_model_weights_and_prompt(folder: Path) -> None:
    judge = LocalJudge(str(folder))
    assert judge.identity == f"local/text@{folder_digest(folder)}/{YesNoPrompt.version}"
    assert judge.asking(AnswerLast()).identity.endswith("/answer-last-1")
    assert LocalJudge("some/judge").identity == f"local/some/judge/{YesNoPrompt.version}"
    assert LocalJudge("some/judge", dtype="float32").identity == f"local/some/judge/float32/{YesNoPrompt.version}"
    assert LocalJudge("some/judge", revision="v2").identity == f"local/some/judge@v2/{YesNoPrompt.version}"


def test_the_identity_follows_files_that_are_exchanged_until_they_are_loaded(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "text")
    judge = LocalJudge(str(tmp_path / "text"))
    before = judge.identity
    config = tmp_path / "text" / "config.json"
    config.write_text(config.read_text() + "\n")
    changed = judge.identity
    assert changed != before
    assert judge.grade(group("right"))[0].judge == changed
    config.write_text(config.read_text() + "\n")
    assert judge.identity == changed  # what is in memory
    judge.close()
    assert judge.identity != changed


def test_the_digest_is_of_what_is_in_the_folder_and_not_of_where_it_is(folder: Path, tmp_path: Path) -> None:
    before = folder_digest(folder)
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert folder_digest(tmp_path) == before
    weights = load_file(tmp_path / "model.safetensors")
    name = sorted(weights)[3]
    save_file(weights | {name: weights[name] * 1.01}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert folder_digest(tmp_path) != before
    (tmp_path / "model.safetensors").write_bytes(b"not one")
    assert len(folder_digest(tmp_path)) == 8


def test_the_shipped_part_is_such_a_judge_and_reads_nothing() -> None:
    judge = spec_file.from_file(Judge, "judge", "judge_local")
    assert isinstance(judge, LocalJudge)
    assert judge.identity == f"local/Qwen/Qwen3-4B-Instruct-2507/{YesNoPrompt.version}"
    assert judge._weights._model is None


# Faults --------------------------------------------------------------------------------------------------------------


def reasons(verdicts: list[Verdict]) -> list[str]:
    assert all(verdict.credit is None and verdict.confidence is None for verdict in verdicts if verdict.reason)
    return [verdict.reason for verdict in verdicts]


@pytest.mark.parametrize(
    "given",
    [{"model": ""}, {"tokens_at_once": 0}, {"max_tokens": 0}, {"patience": 0.0}],
    ids=lambda given: next(iter(given)),
)
def test_an_argument_that_cannot_be_is_refused_by_name(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"judge\.{next(iter(given))}: .* is not allowed"):
        LocalJudge(**({"model": "some/judge"} | given))


def test_a_model_that_cannot_be_read_leaves_all_unscored_and_is_tried_again_after_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = LocalJudge(str(tmp_path / "nowhere"), AnswerLast())
    found = judge.grade(group("right", "left"))
    assert len(found) == 2
    for reason in reasons(found):
        assert "the model cannot be loaded" in reason
        assert f"check judge.model='{tmp_path / 'nowhere'}'" in reason
    tried: list[str] = []
    monkeypatch.setattr(LocalModel, "__init__", lambda self, name, *rest: tried.append(name))
    judge.grade(group("right"))
    assert not tried
    judge.close()
    judge.grade(group("right"))
    assert len(tried) == 1


def test_a_text_that_is_too_long_is_unscored_and_the_others_are_not(shared: LocalJudge, alone: Any) -> None:
    questions = group("right", "left " * 600, "left")
    found = shared.grade(questions)
    assert "more than the 512 of the model's context" in found[1].reason
    assert found[1].credit is None
    wanted = expected(alone, shared, [questions[0], questions[2]])
    assert [found[0].credit, found[2].credit] == [credit for credit, _ in wanted]


def test_a_reply_that_the_context_cuts_says_so(shared: LocalJudge) -> None:
    model = loaded(shared)
    prompt = FreeAnswerLast()
    fits = len(model.tokens(prompt.render(group("")[0])))
    answer = " 5" * (511 - fits)
    while len(model.tokens(prompt.render(group(answer)[0]))) > 510:
        answer = answer[:-2]
    (verdict,) = shared.asking(prompt).grade(group(answer))
    assert verdict.credit is None
    assert "judge.max_tokens" in verdict.reason
    assert verdict.reply is not None


def test_nan_logits_leave_their_question_unscored(judge: LocalJudge, alone: Any) -> None:
    model = loaded(judge)
    (token,) = set(model.tokenizer("§").input_ids) - set(model.tokenizer("¶").input_ids)
    model.model.get_input_embeddings().weight[token] = float("nan")
    questions = group("right", "a § b", "left")
    for prompt in (AnswerLast(), AnythingGoes()):
        found = judge.asking(prompt).grade(questions)
        assert "logits are NaN" in found[1].reason
        assert found[1].credit is None
        assert "NaN" not in found[0].reason + found[2].reason
    wanted = expected(alone, judge, [questions[0], questions[2]])
    found = judge.grade(questions)
    assert [found[0].credit, found[2].credit] == [credit for credit, _ in wanted]


def test_two_options_of_equal_probability_are_no_verdict(judge: LocalJudge) -> None:
    loaded(judge).model.get_output_embeddings().weight.zero_()
    judge.prompt = OneToken()
    (reason,) = reasons(judge.grade(group("right")))
    assert "y and n are equally probable" in reason


class OneToken(AnswerLast):
    version = "one-token-1"
    options = ("y", "n")


def test_an_option_that_the_rule_does_not_read_is_unscored(shared: LocalJudge) -> None:
    (verdict,) = shared.asking(OneToken()).grade(group("right"))
    assert verdict.credit is None
    assert verdict.reply in ("y", "n")


class Broken(AnswerLast):
    version = "broken-1"

    def render(self, question: JudgeQuestion) -> str:
        if question.answer == "left":
            raise RuntimeError("cannot be rendered")
        return super().render(question)


def test_a_prompt_that_fails_costs_its_question_only(shared: LocalJudge) -> None:
    found = shared.asking(Broken()).grade(group("right", "left"))
    assert found[0].is_scored
    assert "RuntimeError: cannot be rendered" in found[1].reason


def too_many_for(judge: LocalJudge, most: int, error: Exception) -> list[int]:
    """Passes of more rows than ``most`` fail; the rows of every pass."""
    rows: list[int] = []

    def forward(module: Any, given: Any, named: Any) -> None:
        rows.append(len(named["input_ids"]))
        if rows[-1] > most:
            raise error

    loaded(judge).model.register_forward_pre_hook(forward, with_kwargs=True)
    return rows


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")],
    ids=["accelerator", "cpu"],
)
def test_where_memory_runs_out_half_as_many_are_asked_at_once(judge: LocalJudge, alone: Any, error: Exception) -> None:
    rows = too_many_for(judge, 6, error)
    found = judge.grade(group(*MEMBERS))
    wanted = expected(alone, judge, group(*MEMBERS))
    assert [verdict.credit for verdict in found] == [credit for credit, _ in wanted]
    assert [n for n in rows if n > 6] == [16, 8]  # of two options each; two texts are four rows and pass


def test_one_text_without_room_is_unscored(judge: LocalJudge) -> None:
    too_many_for(judge, 0, torch.OutOfMemoryError("CUDA out of memory"))
    for reason in reasons(judge.grade(group("right", "left"))):
        assert "not enough memory for this prompt alone" in reason


def test_a_pass_that_fails_otherwise_leaves_its_questions_unscored(judge: LocalJudge) -> None:
    too_many_for(judge, 0, RuntimeError("device-side assert"))
    for reason in reasons(judge.grade(group("right", "left"))):
        assert "RuntimeError: device-side assert" in reason


def test_no_questions_read_no_model() -> None:
    assert LocalJudge("some/judge").grade([]) == []
