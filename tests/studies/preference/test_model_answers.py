"""Answers of one model from a file of completions."""

from pathlib import Path
from typing import Any

import pytest

from medix.studies.preference.model_answers import ModelAnswers, NamedImage
from tests.support.studies import line, write_lines


def read(folder: Path, *rows: dict[str, Any]) -> ModelAnswers:
    return ModelAnswers.read(write_lines(folder / "a.jsonl", rows))


def test_a_line_of_predict(tmp_path: Path) -> None:
    found = read(tmp_path, line("1", case="p")).answers["d", "1"]
    assert (found.answer, found.reasoning) == ("left", "Seen in 1: left.")
    assert found.cluster == ("d", "case", "p")
    assert found.modality == "X_RAY"
    [image] = found.images
    assert image.name == "shards/x.tar/1.png"
    assert len(image.digest) == 16


def test_a_line_of_eval_generate(tmp_path: Path) -> None:
    row = {
        "key": "k", "item": "7", "k": 0, "question": "q", "cluster": "c", "modality": None, "prompt_version": "plain/1",
        "images": [{"sha256": "ab" * 32, "name": "x.png"}], "completion": "<think>why</think> the left one",
        "answer": "the left one",
    }  # fmt: skip
    found = read(tmp_path, row).answers["", "7"]
    assert (found.answer, found.reasoning) == ("the left one", "why")
    assert found.images == (NamedImage("x.png", "ab" * 8),)
    assert found.cluster == ("", "case", "c")


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"completion": "<X_RAY><think>t</think>left"}, None),  # of a policy that owes the tags
        ({"completion": "left", "prompt_version": "plain/1"}, "left"),
        ({"completion": "left", "prompt_version": "medix/1"}, None),
        ({"completion": "<answer>a</answer><answer>b</answer>"}, None),
        ({"completion": ""}, None),
    ],
)
def test_what_counts_as_an_answer_is_what_is_graded(tmp_path: Path, fields: dict[str, str], answer: str | None) -> None:
    assert read(tmp_path, {**line("1"), **fields}).answers["d", "1"].answer == answer


def test_lines_of_other_programs_may_answer_without_tags(tmp_path: Path) -> None:
    assert read(tmp_path, {"id": "1", "question": "q", "completion": "left"}).answers["", "1"].answer == "left"


def test_reasoning_that_the_prompt_has_opened_is_read(tmp_path: Path) -> None:
    row = line("1", completion="because</think><answer>left</answer>")
    assert read(tmp_path, row).answers["d", "1"].reasoning == "because"


def test_of_several_completions_the_first_counts_and_failures_are_counted(tmp_path: Path) -> None:
    further, failed = line("1", "right", index=1), line("2", completion=None)
    found = read(tmp_path, line("1"), further, failed)
    assert [one.answer for one in found.answers.values()] == ["left"]
    assert found.left_out == {"further completions of a sample": 1, "completions that could not be made": 1}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([line("1"), line("1")], "1 samples stand there more than once: d: 1; give a file with each"),
        ([line("1", exchanged=True)], "line 1: is of the control experiment"),
        ([line("1", index="0")], "line 1: index is '0'"),
        ([line("")], "line 1: has no id"),
        ([line("1", question=None)], "line 1: has no question"),
        ([line("1", images=[{"colour": 1}])], "line 1: an image has neither a name nor a hash"),
        ([line("1", images=["a", 3])], "line 1: images is"),
        ([line("1", completion=None)], "holds no completion"),
    ],
)
def test_what_cannot_be_paired_or_shown_is_told(tmp_path: Path, rows: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read(tmp_path, *rows)
