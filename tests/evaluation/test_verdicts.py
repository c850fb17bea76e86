"""The second phase: one verdict for each completion, by rule, by a judge or by several votes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from medix.evaluation.folder import EvaluationFolder
from medix.evaluation.judged_text import text_digest
from medix.evaluation.verdicts import NO_JUDGE, NO_REFERENCE, OTHERS, UNCLEAR_LETTER, Judging, VerdictCounts
from medix.judge import ExactJudge, HybridJudge, ScriptedJudge, ServedJudge
from medix.judge.base import Judge
from medix.types import JudgeQuestion, Verdict
from tests.judge.test_own_arguments import Contains, Counts
from tests.support.evaluations import choice, generate, item, loaded, task
from tests.support.judges import Request, says, serving

OPEN = loaded(item("1"), item("2", "Why?", "age"), item("3", "Yes?", "yes"))
ANSWERS = {"1": "left side", "2": "age", "3": "no"}


def made(
    folder: Path, what: Any = OPEN, answers: dict[str, str | None] | None = None, **arguments: Any
) -> EvaluationFolder:
    generate(folder, what, lambda ask: (answers or ANSWERS).get(ask.item.id), **arguments)
    return EvaluationFolder(folder)


def run(
    folder: EvaluationFolder, judge: Judge | None, votes: int = 1
) -> tuple[VerdictCounts, dict[str, dict[str, Any]]]:
    counts = Judging(folder, judge, votes).run("t")
    return counts, {row["item"]: row for row in folder.verdicts("t")}


def test_rules_come_first_and_the_judge_gets_the_rest(tmp_path: Path) -> None:
    judge = ScriptedJudge("YES, the same")
    counts, rows = run(made(tmp_path), judge)
    assert (counts.completions, counts.by_rule, counts.judged, dict(counts.unscored)) == (3, 2, 1, {})
    assert [question.answer for question in judge.asked] == ["left side"]
    generation = next(row for row in EvaluationFolder(tmp_path).generations("t") if row["item"] == "1")
    key = rows["1"].pop("key")
    assert len(key) == 32
    assert rows["1"] == {
        "generation": generation["key"], "text": text_digest(generation),
        "item": "1", "k": 0, "credit": 1.0, "score": None, "by": "judge",
        "judge": judge.identity, "prompt_version": "", "votes": [], "agreement": None, "reason": "",
        "reply": "YES, the same", "explanation": "", "scoring": "binary", "rules": ["option", "exact"],
    }  # fmt: skip
    assert [(rows[name]["by"], rows[name]["credit"]) for name in "23"] == [("rule", 1.0), ("rule", 0.0)]


def test_without_a_judge_what_no_rule_decides_is_unscored_and_judged_later(tmp_path: Path) -> None:
    folder = made(tmp_path)
    counts, rows = run(folder, None)
    assert dict(counts.unscored) == {NO_JUDGE: 1}
    assert (rows["1"]["credit"], rows["1"]["reason"]) == (None, NO_JUDGE)
    counts, rows = run(folder, ExactJudge())
    assert (rows["1"]["credit"], len(rows)) == (0.0, 3)


@pytest.mark.parametrize(
    ("choices", "right", "answer"),
    [(["Amphotericin B", "Griseofulvin"], 1, "B"), (["yes", "yellow"], 0, "Y"), (["vitamin c", "vitamin k"], 1, "K")],
)
def test_a_letter_that_may_be_a_text_is_left_to_a_judge_that_reads_the_question(
    tmp_path: Path, choices: list[str], right: int, answer: str
) -> None:
    """``B`` is choice B, or a part of choice A: a judge that compares words would call it wrong."""
    row = {
        "question": f"Which?\n\nChoices:\nA. {choices[0]}\nB. {choices[1]}", "answer": answer,
        "answer_index": right, "choices": choices, "references": [choices[right]],
    }  # fmt: skip
    made(tmp_path, answers={"1": answer})
    generations = tmp_path / "t" / "generations.jsonl"
    rows = [json.loads(line) for line in generations.read_text().splitlines()]
    generations.write_text("".join(json.dumps({**one, **row} if one["item"] == "1" else one) + "\n" for one in rows))
    counts, verdicts = run(EvaluationFolder(tmp_path), ExactJudge())
    assert (verdicts["1"]["credit"], verdicts["1"]["reason"]) == (None, UNCLEAR_LETTER)
    assert counts.unscored[UNCLEAR_LETTER] == 1


def test_failures_have_no_verdict_and_items_without_a_reference_are_unscored(tmp_path: Path) -> None:
    what = loaded(item("1"), item("2"), item("3", references=()))
    folder = made(tmp_path, what, {"1": None, "2": "left", "3": "left"})
    counts, rows = run(folder, ExactJudge())
    assert set(rows) == {"2", "3"}
    assert dict(counts.unscored) == {NO_REFERENCE: 1}


def test_nothing_is_judged_twice_and_an_unscored_completion_is_judged_again(tmp_path: Path) -> None:
    folder = made(tmp_path)
    down = ScriptedJudge(None)
    counts, _ = run(folder, down)
    assert dict(counts.unscored) == {"the scripted judge cannot be reached": 1}
    down.default = "NO"
    assert run(folder, ScriptedJudge("NO"))[1]["1"]["credit"] == 0.0
    again = ScriptedJudge("NO")
    counts, _ = run(folder, again)
    assert (counts.known, again.asked) == (3, [])


def test_verdicts_of_one_judge_are_never_mixed_with_those_of_another_and_none_is_lost(tmp_path: Path) -> None:
    folder = made(tmp_path)
    first, second = ScriptedJudge("YES"), ScriptedJudge("NO")
    assert run(folder, first)[1]["1"]["credit"] == 1.0
    assert run(folder, second)[1]["1"]["credit"] == 0.0
    assert {row["judge"] for row in folder.verdicts("t") if row["by"] == "judge"} == {second.identity}
    counts, rows = run(folder, ScriptedJudge("YES"))
    assert (counts.known, rows["1"]["credit"]) == (3, 1.0)  # looked up, not asked
    others = folder.path / "t" / OTHERS
    before = others.read_text()
    run(folder, second)
    assert others.read_text() == before, "what is there is not set aside again"


def test_the_judge_of_a_row_is_the_one_that_was_asked_whoever_inside_it_decided(tmp_path: Path) -> None:
    judge = HybridJudge(ScriptedJudge("YES"))
    _, rows = run(made(tmp_path, loaded(item("1"), item("2"), spec=task(rules=[])), {"1": "left", "2": "there"}), judge)
    assert {row["judge"] for row in rows.values()} == {judge.identity}


def test_a_judge_of_ones_own_with_other_arguments_is_another_judge(tmp_path: Path) -> None:
    """Its identity is the same, and so would be the verdict of the first that is there already."""
    folder = made(tmp_path)
    strict = run(folder, Contains())[1]["1"]
    lenient = run(folder, Contains(strict=False))[1]["1"]
    assert (strict["credit"], lenient["credit"]) == (0.0, 1.0)
    assert strict["judge"] != lenient["judge"]
    assert {strict["judge"].partition(" ")[0], lenient["judge"].partition(" ")[0]} == {"contains"}


@pytest.mark.parametrize("is_guest", [False, True])
def test_a_judge_that_changes_what_it_keeps_finds_its_rows_again(tmp_path: Path, is_guest: bool) -> None:
    phase = Judging(made(tmp_path), Counts(), is_guest=is_guest)
    assert [phase.run("t").known for _ in range(2)] == [0, 3]
    assert len(phase.reached("t")) == 3


def test_a_new_completion_gets_a_new_verdict(tmp_path: Path) -> None:
    folder = made(tmp_path)
    run(folder, ExactJudge())
    path = tmp_path / "t" / "generations.jsonl"
    path.write_text(path.read_text().replace("left side", "left"))
    counts, rows = run(folder, ExactJudge())
    assert (counts.known, rows["1"]["credit"]) == (2, 1.0)


def test_equal_questions_of_several_samples_are_asked_once(tmp_path: Path) -> None:
    judge = ScriptedJudge("YES")
    counts, _ = run(made(tmp_path, loaded(item("1")), samples=4), judge)
    assert (counts.completions, counts.judged, len(judge.asked)) == (4, 4, 1)


def test_reports_are_graded_from_0_to_5_and_rules_stay_out(tmp_path: Path) -> None:
    report = loaded(item("1", "Write a report.", "No effusion."), spec=task("rubric"))

    def act(request: Request) -> None:
        text = request.body["messages"][0]["content"]
        assert "generated report" in text
        says('{"explanation": "one is missing", "score": 4}')(request)

    with serving(act) as server:
        judge = ServedJudge(server.url, "m")
        counts, rows = run(made(tmp_path, report, {"1": "No effusion."}), judge)
        _, voted = run(EvaluationFolder(tmp_path), judge, votes=3)
        judge.close()
    assert voted["1"]["explanation"] == "\n".join(["4 of 5: one is missing"] * 3)
    assert (rows["1"]["score"], rows["1"]["credit"], counts.by_rule) == (4.0, 0.8, 0)
    assert (rows["1"]["explanation"], rows["1"]["prompt_version"]) == ("one is missing", "report-rubric-7")
    with pytest.raises(ValueError, match="cannot be asked with the prompt report-rubric-7"):
        run(EvaluationFolder(tmp_path), ExactJudge())


def test_votes_and_their_agreement_are_on_record(tmp_path: Path) -> None:
    def act(request: Request) -> None:
        says("NO" if request.body["seed"] == 1 else "YES")(request)

    with serving(act) as server:
        judge = ServedJudge(server.url, "m")
        _, rows = run(made(tmp_path), judge, votes=3)
        judge.close()
    row = rows["1"]
    assert (row["credit"], row["agreement"], row["prompt_version"]) == (1.0, pytest.approx(2 / 3), "yes-no-9")
    assert [vote["credit"] for vote in row["votes"]] == [1.0, 0.0, 1.0]
    assert [vote["judge"] for vote in row["votes"]] == [f"served/m/yes-no-9/vote-{number}" for number in range(3)]


def test_a_task_scored_by_rule_asks_a_judge_where_the_rules_cannot_tell(tmp_path: Path) -> None:
    what = loaded(*(choice(str(number), "Which?", 1, "skin", "bone") for number in range(2)), spec=task("rule"))
    answers = {"0": "(B) bone", "1": "osseous tissue"}
    counts, rows = run(made(tmp_path, what, answers), None)
    assert (rows["0"]["credit"], rows["1"]["credit"], counts.by_rule) == (1.0, None, 1)
    counts, rows = run(EvaluationFolder(tmp_path), ScriptedJudge("YES"))
    assert (rows["1"]["credit"], rows["1"]["by"]) == (1.0, "judge")


def test_a_judge_that_breaks_leaves_unscored_rows_and_the_rest_is_kept(tmp_path: Path) -> None:
    class Broken(Judge):
        identity = "broken"

        def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
            raise RuntimeError("out of order")

    counts, rows = run(made(tmp_path), Broken())
    assert dict(counts.unscored) == {"the judge failed: RuntimeError: out of order": 1}
    assert [rows[name]["credit"] for name in "23"] == [1.0, 0.0]


@pytest.mark.parametrize("cut", [0, 50, 400, 700])
def test_a_file_cut_anywhere_ends_as_if_it_had_not_been(tmp_path: Path, cut: int) -> None:
    folder = made(tmp_path)
    run(folder, ExactJudge())
    path = tmp_path / "t" / "verdicts.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    counts, _ = run(folder, ExactJudge())
    assert counts.known == data[:cut].count(b"\n")
    assert sorted(path.read_bytes().splitlines()) == sorted(data.splitlines())


def test_rows_from_before_there_were_digests_get_one_and_are_not_judged_again(tmp_path: Path) -> None:
    judge, folder = ScriptedJudge("YES"), made(tmp_path)
    run(folder, judge)
    with folder.verdicts("t") as rows:
        for row in list(rows):
            rows.append({name: value for name, value in row.items() if name != "text"})
    counts, after = run(folder, judge)
    assert (counts.known, len(judge.asked)) == (3, 1)
    assert {row["text"] for row in after.values()} == {text_digest(row) for row in folder.generations("t")}
