"""The first phase: one row for each completion, whatever happens in between."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from medix.evaluation.decoding import Decoding
from medix.evaluation.evaluated_model import Ask, Reply
from medix.evaluation.folder import EvaluationFolder
from tests.support.evaluations import ScriptedModel, choice, generate, item, loaded, picture

FIVE = loaded(*(item(str(number), f"Question {number}?") for number in range(5)))


def rows(folder: Path, task: str = "t") -> list[dict[str, Any]]:
    return list(EvaluationFolder(folder).generations(task))


def answers(folder: Path) -> dict[tuple[str, int], str | None]:
    return {(row["item"], row["k"]): row["answer"] for row in rows(folder)}


def test_a_row_holds_all_that_judging_and_tables_need(tmp_path: Path) -> None:
    asked = choice("7", "Which?", 1, "skin", "bone")
    generate(tmp_path, loaded(asked), lambda ask: "<think>a</think><answer>B</answer>", prompt="medix")
    (row,) = rows(tmp_path)
    key, version = row.pop("key"), row.pop("prompt_version")
    assert len(key) == 32
    assert version.startswith("medix/")
    assert row == {
        "item": "7", "k": 0, "cluster": "7", "question": "Which?\n\nChoices:\nA. skin\nB. bone", "references": ["bone"],
        "choices": ["skin", "bone"], "answer_index": 1, "modality": None, "question_type": "open", "source": "t",
        "subgroup": {}, "images": [], "completion": "<think>a</think><answer>B</answer>", "answer": "B", "tag": None,
        "format_valid": True, "finish_reason": "stop", "failure": None, "seconds": 0.0,
    }  # fmt: skip


def test_nothing_is_asked_twice_and_a_failure_is_asked_again(tmp_path: Path) -> None:
    model = ScriptedModel(lambda ask: None if ask.item.id == "3" else "left")
    counts = generate(tmp_path, FIVE, model)
    assert (counts.wanted, counts.known, counts.failed) == (5, 0, 1)
    assert dict(counts.failures) == {"scripted failure": 1}
    assert [row["failure"] for row in rows(tmp_path)] == [None, None, None, "scripted failure", None]
    again = ScriptedModel(lambda ask: "right")
    counts = generate(tmp_path, FIVE, again)
    assert again.asked == [("3", 0)]
    assert (counts.known, counts.failed) == (4, 0)
    assert answers(tmp_path)["3", 0] == "right"
    assert len(rows(tmp_path)) == 5


def test_what_only_tables_depend_on_is_brought_up_to_date_without_asking_again(tmp_path: Path) -> None:
    """Intervals would else be clustered by a unit that the task no longer has."""
    generate(tmp_path, FIVE, lambda ask: "left")
    now = {
        "cluster": "patient",
        "modality": "CT_SCAN",
        "question_type": "closed",
        "source": "s",
        "subgroup": {"a": "b"},
    }
    model = ScriptedModel(lambda ask: "right")
    generate(
        tmp_path, loaded(*(item(f"{number}", f"Question {number}?", **now) for number in range(5))), model, limit=2
    )
    assert model.asked == []
    assert [(row["item"], row["answer"]) for row in rows(tmp_path)] == [(f"{number}", "left") for number in range(5)]
    assert all({name: row[name] for name in now} == now for row in rows(tmp_path))


def test_rows_are_in_the_order_of_the_items_whatever_the_order_of_the_replies(tmp_path: Path) -> None:
    """A submission numbers them."""

    class Backwards(ScriptedModel):
        def replies(self, asks: Sequence[Ask], decoding: Decoding) -> Iterator[tuple[Ask, Reply]]:
            return super().replies(asks[::-1], decoding)

    generate(tmp_path, FIVE, Backwards(lambda ask: "left"), samples=2, limit=3)
    assert [(row["item"], row["k"]) for row in rows(tmp_path)] == [(name, k) for name in "012" for k in (0, 1)]
    generate(tmp_path, FIVE, Backwards(lambda ask: "left"), samples=2)
    assert [(row["item"], row["k"]) for row in rows(tmp_path)] == [(name, k) for name in "01234" for k in (0, 1)]


def test_a_limit_is_extended_without_asking_again_and_keeps_what_is_beyond_it(tmp_path: Path) -> None:
    generate(tmp_path, FIVE, lambda ask: "left", limit=2)
    model = ScriptedModel(lambda ask: "left")
    assert generate(tmp_path, FIVE, model).wanted == 5
    assert model.asked == [("2", 0), ("3", 0), ("4", 0)]
    assert generate(tmp_path, FIVE, lambda ask: "left", limit=1).known == 1
    assert len(rows(tmp_path)) == 5


def test_samples_of_one_item_are_rows_of_their_own(tmp_path: Path) -> None:
    generate(tmp_path, FIVE, lambda ask: f"{ask.k}", samples=3, limit=2)
    assert answers(tmp_path) == {(name, k): str(k) for name in "01" for k in range(3)}
    assert len({row["key"] for row in rows(tmp_path)}) == 6


@pytest.mark.parametrize(
    "change",
    [{"question": "Why?"}, {"references": ("right",)}, {"images": (picture("a", b"x"),)}, {"choices": ("x", "y")}],
)
def test_a_changed_item_is_asked_again_and_its_old_row_set_aside(tmp_path: Path, change: dict[str, Any]) -> None:
    generate(tmp_path, loaded(item("1"), item("2")), lambda ask: "old")
    changed = loaded(item("1"), item(**({"name": "2", "question": "Which side?"} | change)))
    if "references" in change:
        changed = loaded(item("1"), item("2", "Which side?", *change["references"]))
    counts = generate(tmp_path, changed, lambda ask: "new")
    assert (counts.known, counts.stale) == (1, 1)
    assert answers(tmp_path) == {("1", 0): "old", ("2", 0): "new"}
    (stale,) = (tmp_path / "t" / "stale_generations.jsonl").read_text().splitlines()
    assert json.loads(stale)["answer"] == "old"


def test_an_item_with_a_fault_is_a_failure_and_not_asked(tmp_path: Path) -> None:
    model = ScriptedModel(lambda ask: "left")
    broken = item("2", "See <image 1>?", fault="the question shows image 1, and the row has none")
    counts = generate(tmp_path, loaded(item("1"), broken), model)
    assert model.asked == [("1", 0)]
    assert dict(counts.failures) == {broken.fault: 1}


@pytest.mark.parametrize("cut", [0, 1, 300, 900, 1400])
def test_a_file_cut_anywhere_loses_only_what_is_cut_and_ends_as_if_it_had_not_been(tmp_path: Path, cut: int) -> None:
    generate(tmp_path / "whole", FIVE, lambda ask: ask.item.id)
    generate(tmp_path / "cut", FIVE, lambda ask: ask.item.id)
    path = tmp_path / "cut" / "t" / "generations.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[:cut])
    counts = generate(tmp_path / "cut", FIVE, lambda ask: ask.item.id)
    assert counts.known == data[:cut].count(b"\n")
    assert sorted(path.read_bytes().splitlines()) == sorted(data.splitlines())


def test_an_interruption_keeps_the_rows_before_it(tmp_path: Path) -> None:
    def script(ask: Any) -> str:
        if ask.item.id == "3":
            raise KeyboardInterrupt
        return "left"

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, FIVE, script)
    assert [row["item"] for row in rows(tmp_path)] == ["0", "1", "2"]


def test_text_that_utf8_cannot_hold_is_kept(tmp_path: Path) -> None:
    generate(tmp_path, loaded(item("1\ud800", "\u2028?")), lambda ask: "<answer>\udfff\u2028</answer>")
    (row,) = rows(tmp_path)
    assert (row["item"], row["question"], row["answer"]) == ("1\ud800", "\u2028?", "\udfff")
    model = ScriptedModel(lambda ask: "left")
    assert generate(tmp_path, loaded(item("1\ud800", "\u2028?")), model).known == 1
