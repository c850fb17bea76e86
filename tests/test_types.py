"""The nouns: what they say of themselves, and their plain states."""

import json
import math
import pickle
from dataclasses import replace

import pytest

from medix.types import (
    Completion,
    CompletionScores,
    ComponentScore,
    FinishReason,
    Prompt,
    PromptBatch,
    RolloutGroup,
    Sample,
    ScoredGroup,
    Status,
    Verdict,
)

SAMPLE = Sample(
    id="a.b/1",
    question="Which side?",
    reference="left",
    modality=None,
    images=(b"\x89PNG\x00", b""),
    source="slake",
    aliases=("sinister",),
    case="case 1",
    metadata={"note": "kept"},
)
COMPLETION = Completion("left", (4, 2), (-0.1, -1e-12), FinishReason.LENGTH)


def _scored(value: float) -> CompletionScores:
    verdict = Verdict(value, "exact/4", reply="YES", explanation="same word", latency=0.5)
    return CompletionScores(value, {"judge": ComponentScore(value, Status.SCORED, verdict=verdict)})


def _group() -> ScoredGroup:
    rollout = RolloutGroup(Prompt(SAMPLE, (1, 2, 3), {}, 17), (COMPLETION, COMPLETION), 5)
    unscored = CompletionScores(math.nan, {"judge": ComponentScore(math.nan, Status.UNSCORED, "timeout")})
    return ScoredGroup(rollout, (_scored(1.0), unscored))


def test_a_sample_comes_back_from_its_state() -> None:
    assert Sample.from_state(pickle.loads(pickle.dumps(SAMPLE.to_state()))) == SAMPLE


def test_a_completion_comes_back_from_a_json_line_to_the_last_bit() -> None:
    assert Completion.from_state(json.loads(json.dumps(COMPLETION.to_state()))) == COMPLETION


def test_states_hold_plain_words_in_place_of_enumerations() -> None:
    assert type(COMPLETION.to_state()["finish_reason"]) is str
    assert type(_scored(1.0).to_state()["components"]["judge"]["status"]) is str


def test_scores_come_back_from_a_json_line() -> None:
    scores = _scored(0.1 + 0.2)
    assert CompletionScores.from_state(json.loads(json.dumps(scores.to_state()))) == scores


def test_a_scored_group_comes_back_with_a_prompt_that_is_rendered_again() -> None:
    group = _group()
    state = group.to_state()
    assert (state["index"], state["token_ids"], state["policy_version"]) == (17, (1, 2, 3), 5)
    again = ScoredGroup.from_state(state, group.rollout.prompt)
    assert again.rollout == group.rollout
    assert again.scores[0] == group.scores[0]
    assert repr(again.scores[1]) == repr(group.scores[1])  # NaN is unequal to itself


def test_totals_of_a_group_are_in_the_order_of_its_completions() -> None:
    first, second = _group().totals
    assert first == 1.0
    assert math.isnan(second)


@pytest.mark.parametrize(("reason", "is_truncated"), [(FinishReason.STOP, False), (FinishReason.LENGTH, True)])
def test_a_completion_is_truncated_if_the_limit_ended_it(reason: FinishReason, is_truncated: bool) -> None:
    assert Completion("", (), (), reason).is_truncated is is_truncated


@pytest.mark.parametrize(("credit", "is_scored"), [(1.0, True), (0.0, True), (None, False)])
def test_a_verdict_of_no_credit_is_scored_and_an_absent_one_is_not(credit: float | None, is_scored: bool) -> None:
    assert Verdict(credit, "exact/4").is_scored is is_scored


def test_no_answer_is_told_by_a_field_and_before_there_was_one_by_its_explanation() -> None:
    without = Verdict.without_answer("exact/4")
    said = Verdict(0.0, "large/1", explanation=without.explanation, votes=(without,))
    for verdict, has_answer in ((without, False), (said, True), (replace(said, explanation="x"), True)):
        found = Verdict.from_state(json.loads(json.dumps(verdict.to_state())))
        assert found == verdict
        assert found.has_answer is has_answer
    assert "has_answer" not in replace(said, explanation="x").to_state()
    old = {name: value for name, value in without.to_state().items() if name != "has_answer"}
    assert Verdict.from_state(old) == without


def test_a_batch_of_prompts_iterates_in_order_and_is_no_sequence() -> None:
    batch = PromptBatch([Prompt(SAMPLE, (1,), {}, index) for index in (3, 4)], next_index=5)
    assert len(batch) == 2
    assert [prompt.index for prompt in batch] == [3, 4]
    assert not isinstance(batch, list | tuple)


def test_a_sample_is_its_data_set_and_id_and_a_case_its_data_set_and_case() -> None:
    first = Sample("1", "q", "r", None, dataset="a", case="7")
    assert (first.key, first.cluster) == (("a", "1"), ("a", "case", "7"))
    assert Sample("7", "q", "r", None, dataset="a").cluster == ("a", "sample", "7")
    assert Sample.from_state(first.to_state()) == first
    state = first.to_state()
    del state["dataset"]  # a checkpoint from before the field
    assert Sample.from_state(state).key == ("", "1")


def test_draws_outside_a_stream_are_seeded_by_the_identity_of_the_sample() -> None:
    sample = Sample("1", "q", "r", None)
    places = [
        Prompt(sample, ()).seed_key,
        Prompt(replace(sample, dataset="a"), ()).seed_key,
        Prompt(sample, (), index=3).seed_key,
    ]
    assert places == ["id:1", "id:a/1", "3"]
