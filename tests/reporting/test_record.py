"""Records survive JSON, crashes and resumes."""

import dataclasses
import json
import logging
import math
from pathlib import Path

import pytest

from medix.reporting.record import (
    CompletionRecord,
    ComponentRecord,
    append_records,
    drop_steps_after,
    read_records,
    record_completion,
    record_group,
    write_records,
)
from medix.types import CompletionScores, ComponentScore, FinishReason, Status, Verdict
from tests.support.fake_training import (
    MODALITIES,
    CountingJudge,
    FakeSuite,
    make_completion,
    make_group,
    make_sample,
    score_by,
    write,
)


def _record(number: int = 1, step: int = 3, **changes: object) -> CompletionRecord:
    group = make_group(make_sample(number), [write("X_RAY", "lung")])
    scored = FakeSuite(CountingJudge()).score_groups([group])[0]
    (record,) = record_group(scored, MODALITIES, step=step, split="val")
    return dataclasses.replace(record, **changes)  # type: ignore[arg-type]


def test_a_record_is_the_same_after_a_way_through_json() -> None:
    record = _record(reasoning="line one\nline two ☢", images=("images/a.png",), advantage=-0.5)
    assert CompletionRecord.from_json(record.to_json()) == record
    assert "\n" not in record.to_json()


def test_a_record_knows_what_scored_and_judged_it() -> None:
    suite = {"rewards": "r", "own_judges": "o", "data": "d"}
    found = record_completion(make_group(make_sample(1), [write("X_RAY", "lung")]), 0, MODALITIES, suite=suite)
    assert (found.rewards, found.own_judges) == ("r", "o")
    assert CompletionRecord.from_json(found.to_json()) == found


def test_an_unscored_total_is_null_and_not_nan() -> None:
    scored = score_by([math.nan], make_group(make_sample(1), ["x"]))
    (record,) = record_group(scored, MODALITIES, step=1, split="train", advantages=[math.nan])
    assert record.total is None
    assert record.advantage is None
    assert record.components["judge"].reason == "judge is down"
    assert "NaN" not in record.to_json()


def test_verdicts_given_come_before_those_among_the_scores() -> None:
    scored = FakeSuite(CountingJudge()).score_groups([make_group(make_sample(1), [write("X_RAY", "lung")] * 2)])[0]
    given = [Verdict(0.0, "a"), Verdict(None, "b", reason="late")]
    records = record_group(scored, MODALITIES, step=1, split="train", verdicts=given)
    assert [record.verdict for record in records] == given
    assert [record.verdicts()["judge"].credit for record in records] == [1.0, 1.0]
    assert [record.credit for record in record_group(scored, MODALITIES, step=1, split="train")] == [1.0, 1.0]


def test_the_verdict_of_an_answer_rule_is_of_no_judge() -> None:
    scored = score_by([1.0], make_group(make_sample(1), [write("X_RAY", "lung")]))
    for judge, found in (("answer rule PublishedAnswer", []), ("exact/4", [""])):
        (record,) = record_group(scored, MODALITIES, step=1, split="train", verdicts=[Verdict(1.0, judge)])
        assert list(record.verdicts()) == found
    scored = score_by([0.0], make_group(make_sample(1), ["lung"]))
    (record,) = record_group(scored, MODALITIES, step=1, split="train", verdicts=[Verdict.without_answer("exact/4")])
    assert (record.credit, record.verdicts(), record.judged) == (0.0, {}, None)


def test_a_record_knows_whether_a_judge_gave_its_verdict_on_the_plain_question() -> None:
    no = Verdict(0.0, "exact/4", explanation=Verdict.without_answer("exact/4").explanation)
    by_rule = Verdict(1.0, "answer rule PublishedAnswer")
    for verdict in (no, dataclasses.replace(no, asked="exact/4 asked by PublishedAnswer"), by_rule):
        record = CompletionRecord.from_json(_record(verdict=verdict, components={}).to_json())
        assert record.judged == (verdict if verdict is no else None)
        assert record.verdicts() == ({"": no} if verdict is no else {})
    assert _record(verdict=no, components={}, rewards="r").verdicts() == {}  # no component of these asked


def test_a_record_says_what_the_grammar_found() -> None:
    group = make_group(make_sample(1), ["<CT_SCAN><think>dense</think> no answer"])
    record = record_completion(group, 0, MODALITIES)
    assert record.named_modality == "CT_SCAN"
    assert record.names_modality is False
    assert record.answer is None
    assert record.faults == ("no_answer", "text_outside")


def test_a_text_only_sample_has_no_modality_to_name() -> None:
    record = record_completion(make_group(make_sample(1, None), [write(None, "yes")]), 0, MODALITIES)
    assert record.names_modality is None
    assert record.faults == ()


def test_mean_logprob_and_truncation_come_from_the_completion() -> None:
    group = make_group(make_sample(1), ["x"])
    cut = dataclasses.replace(group, completions=(make_completion("a b", FinishReason.LENGTH, logprob=-0.25),))
    record = record_completion(cut, 0, MODALITIES)
    assert record.mean_logprob == -0.25
    assert record.is_truncated
    assert record.tokens == 2


def test_rows_of_one_case_are_one_cluster_and_unknown_cases_are_samples() -> None:
    assert _record(1, case="p7").cluster == _record(2, case="p7").cluster
    assert _record(1).cluster != _record(2).cluster


def test_a_last_line_cut_by_a_crash_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "train.jsonl"
    append_records(path, [_record(1), _record(2)])
    path.write_text(path.read_text()[:-40])
    with caplog.at_level(logging.WARNING):
        assert [record.id for record in read_records(path)] == ["s001"]
    assert "truncated" in caplog.text


def test_damage_inside_a_file_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"step": 1}\n' + _record().to_json() + "\n")
    with pytest.raises(ValueError, match="line 1: not a completion record"):
        list(read_records(path))


def test_resuming_drops_later_steps_and_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    append_records(path, [_record(step=step) for step in (1, 2, 3, 4)])
    with path.open("a") as file:
        file.write('{"step": 2, "spl')
    assert drop_steps_after(path, 2) == 3
    assert [record.step for record in read_records(path)] == [1, 2]
    assert drop_steps_after(path, 2) == 0
    assert drop_steps_after(tmp_path / "absent.jsonl", 2) == 0


def test_nothing_half_written_is_left_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "val.jsonl"
    write_records(path, [_record(1)])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_records(path, [_record(2), _record(3, total=math.nan)])
    assert [record.id for record in read_records(path)] == ["s001"]


def test_the_verdict_of_a_judge_is_kept_whole() -> None:
    verdict = Verdict(1.0, "panel/v2", "", "YES", "same organ", 0.25)
    assert CompletionRecord.from_json(_record(verdict=verdict).to_json()).verdict == verdict


def _judged(*verdicts: Verdict | None) -> CompletionRecord:
    """A completion whose components ``a``, ``b`` … were told these verdicts."""
    entries = {
        name: ComponentScore(1.0, Status.SCORED, verdict=verdict)
        for name, verdict in zip("abcd", verdicts, strict=False)
    }
    group = make_group(make_sample(1), [write("X_RAY", "lung")])
    return record_completion(group, 0, MODALITIES, scores=CompletionScores(1.0, entries))


def test_every_judged_component_keeps_its_verdict_and_none_stands_twice() -> None:
    yes, rubric = Verdict(1.0, "served/a", reply="YES"), Verdict(0.8, "served/rubric", reply="4")
    record = CompletionRecord.from_json(_judged(yes, None, rubric, yes).to_json())
    assert record.verdicts() == {"a": yes, "c": rubric, "d": yes}
    assert record.components["a"].verdict is None
    assert record.to_json().count("served/a") == 1
    assert "is_judged" not in json.loads(record.to_json())["components"]["b"]


def test_the_verdict_of_a_validation_judge_does_not_hide_what_the_reward_was_told() -> None:
    group = make_group(make_sample(1), [write("X_RAY", "lung")])
    of_reward, of_validation = Verdict(0.0, "small"), Verdict(1.0, "large")
    scores = CompletionScores(0.0, {"judge": ComponentScore(0.0, Status.SCORED, verdict=of_reward)})
    record = record_completion(group, 0, MODALITIES, scores=scores, verdict=of_validation)
    assert CompletionRecord.from_json(record.to_json()).verdicts() == {"judge": of_reward}
    assert record.verdict == of_validation


def test_a_file_from_before_components_kept_verdicts_still_reads() -> None:
    """It says who judged, not which component asked."""
    line = (
        '{"step": 1, "split": "train", "id": "s1", "index": 0, "case": "", "source": "", "modality": "CT_SCAN", '
        '"question": "q", "reference": "r", "completion": "c", "answer": null, "reasoning": null, '
        '"named_modality": null, "faults": [], "finish_reason": "stop", "tokens": 3, "policy_version": 0, '
        '"total": 0.5, "components": {"judge": {"value": 0.5, "status": "scored", "reason": ""}}, '
        '"verdict": {"credit": 1.0, "judge": "exact/4", "reason": "", "reply": "YES", '
        '"explanation": "", "latency": 0.1}, "names_modality": false, "flags": []}'
    )
    record = CompletionRecord.from_json(line)
    assert record.verdicts() == {"": Verdict(1.0, "exact/4", "", "YES", "", 0.1)}
    assert record.components["judge"] == ComponentRecord(0.5, "scored")
    assert (record.normalised, record.position, record.signal) == (None, -1, 0.5)


def test_what_the_advantage_is_taken_of_is_on_record_where_it_is_not_the_total() -> None:
    group = make_group(make_sample(1), [write("X_RAY", "lung")])
    plain, normalised = (
        record_completion(group, 0, MODALITIES, scores=CompletionScores(0.75, {}, value)) for value in (None, -1.5)
    )
    assert (plain.signal, normalised.signal) == (0.75, -1.5)
    assert "normalised" not in plain.to_dict()
    assert CompletionRecord.from_json(normalised.to_json()).signal == -1.5


def test_the_place_in_the_data_is_on_record_and_left_out_where_it_is_unknown() -> None:
    group = make_group(make_sample(1), ["x"])
    drawn = dataclasses.replace(group, prompt=dataclasses.replace(group.prompt, index=41))
    assert CompletionRecord.from_json(record_completion(drawn, 0, MODALITIES).to_json()).position == 41
    assert "position" not in record_completion(group, 0, MODALITIES).to_dict()


def test_unscored_and_not_scored_at_all_are_told_apart() -> None:
    scored = score_by([math.nan], make_group(make_sample(1), ["x"]))
    (unscored,) = record_group(scored, MODALITIES, step=1, split="train")
    assert unscored.is_scored_at_all
    assert not record_completion(make_group(make_sample(1), ["x"]), 0, MODALITIES).is_scored_at_all


def test_a_record_carries_its_data_set_and_a_file_from_before_reads_with_none() -> None:
    group = make_group(dataclasses.replace(make_sample(1, case="7"), dataset="a"), ["x"])
    record = record_completion(group, 0, MODALITIES)
    line = json.loads(record.to_json())
    assert list(line)[2:4] == ["dataset", "id"]
    assert (record.sample_key, record.key, record.cluster) == (("a", "s001"), ("a", "s001", 0), ("a", "case", "7"))
    del line["dataset"]
    assert CompletionRecord.from_dict(line).sample_key == ("", "s001")


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_characters_that_end_a_line_elsewhere_are_part_of_a_line(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "train.jsonl"
    kept = _record(1, step=1, completion=f"left{mark}lung")
    append_records(path, [kept, _record(2, step=2)])
    assert drop_steps_after(path, 1) == 1
    assert list(read_records(path)) == [kept]


def test_a_lone_surrogate_is_written_and_read_back(tmp_path: Path) -> None:
    record = _record(1, completion="a \ud83d b \\\udfff c", answer="\udc80", id="\ud800")
    append_records(tmp_path / "a.jsonl", [record])
    write_records(tmp_path / "b.jsonl", [record])
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert list(read_records(tmp_path / "a.jsonl")) == [record]
    assert drop_steps_after(tmp_path / "a.jsonl", 0) == 1


def test_a_last_line_cut_within_a_character_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "train.jsonl"
    append_records(path, [_record(1), _record(2, completion="µ")])
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex("µ".encode()) + 1])
    with caplog.at_level(logging.WARNING):
        assert [record.id for record in read_records(path)] == ["s001"]
    assert "truncated" in caplog.text
    assert drop_steps_after(path, 9) == 1
    assert [record.id for record in read_records(path)] == ["s001"]
