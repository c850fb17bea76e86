"""What one conversation becomes: the rule of several turns, and where images stand."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from medix.data.partition import Partition
from medix.data.sources.llava import LlavaSource
from medix.data.sources.table_source import Reading
from tests.data.conftest import picture
from tests.support.sources import faults, samples


def source(folder: Path, *turns: str, **row: Any) -> LlavaSource:
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(picture(ord(name[0])))
    roles = ("human", "gpt") * 9
    messages = [{"from": role, "value": text} for role, text in zip(roles, turns, strict=False)]
    (folder / "rows.json").write_text(json.dumps([{"id": "r", "conversations": messages} | row]))
    return LlavaSource(folder / "rows.json", Reading())


def test_each_turn_is_a_sample_that_begins_with_the_earlier_ones(tmp_path: Path) -> None:
    turns = ("<image>\nWhich organ?", "<CT_SCAN>\nThe liver", "Is it normal?", "No", "Why?", "A mass")
    found = samples(source(tmp_path, *turns, image="a.png", case="c", source="s"))
    assert [(one.id, one.reference, one.modality) for one in found] == [
        ("r:1", "The liver", "CT_SCAN"), ("r:2", "No", "CT_SCAN"), ("r:3", "A mass", "CT_SCAN"),
    ]  # fmt: skip
    assert [one.question for one in found] == [
        "<image>\nWhich organ?",
        "Question: <image>\nWhich organ?\nAnswer: The liver\n\nIs it normal?",
        "Question: <image>\nWhich organ?\nAnswer: The liver\n\nQuestion: Is it normal?\nAnswer: No\n\nWhy?",
    ]
    assert {(one.images, one.case, one.source) for one in found} == {((picture(ord("a")),), "c", "s")}


def test_an_image_is_seen_from_its_marker_on(tmp_path: Path) -> None:
    turns = ("Hello?", "Yes", "Before: <image>", "x", "After: <image> Better?", "y")
    found = samples(source(tmp_path, *turns, image=["a.png", "b.png"], modality="X-Ray"))
    assert [len(one.images) for one in found] == [0, 1, 2]
    assert [one.modality for one in found] == [None, "X_RAY", "X_RAY"]
    unmarked = samples(source(tmp_path, "One?", "x", "Two?", "y", image=["a.png", "b.png"], modality="MRI"))
    assert [len(one.images) for one in unmarked] == [2, 2]
    numbered = samples(source(tmp_path, "<image 2> and <image 1>", "x", image=["a.png", "b.png"], modality="MRI"))
    assert [(one.id, len(one.images)) for one in numbered] == [("r", 2)]
    numbered = samples(source(tmp_path, "<image 1>", "x", "<image 2>", "y", image=["a.png", "b.png"], modality="MRI"))
    assert [(one.id, len(one.images)) for one in numbered] == [("r:1", 1), ("r:2", 2)]


@pytest.mark.parametrize(
    "text", ["Picture 1: <img>a.png</img>", "<|vision_start|><|image_pad|><|vision_end|>", "<|image_1|>"]
)
def test_an_image_as_a_program_marks_it_is_not_text(tmp_path: Path, text: str) -> None:
    [fault] = faults(source(tmp_path, f"{text}\nWhich organ?", "The liver"))
    assert "marks an image as a program writes it; write <image> there" in fault


def test_a_system_message_stands_first(tmp_path: Path) -> None:
    rows = [{"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "q"},
                               {"from": "gpt", "value": "a"}]}]  # fmt: skip
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    made = LlavaSource(tmp_path / "rows.json", Reading())
    assert [one.question for one in samples(made)] == ["Be brief.\n\nq"]
    assert not made.has_ids


@pytest.mark.parametrize(
    ("turns", "row", "told"),
    [
        (("q",), {}, "turns: 'user'; a question and a reply must follow each other in turn"),
        ((), {}, "turns: ''; a question"),
        (("q", " "), {}, r"turns: \('q', ''\); a text is empty"),
        (("<image> q", "a"), {}, "question: .*1 image marker for 0 images"),
        (("<image> <image>", "a"), {"image": "a.png"}, "2 image markers for 1 image"),
        (("q", "a"), {"image": "gone.png"}, "image: 'gone.png'; there is no .*gone.png; correct"),
        (("q", "a"), {"image": "../out.png"}, "image: '../out.png'; the file .* lies outside of"),
        (("q", "a"), {"image": "rows.json"}, "cannot be decoded"),
        (("q", "a"), {"image": "a.png", "modality": "cat"}, "modality: 'cat'; it is no tag; known"),
        (("q", "<X_RAY> a"), {"image": "a.png", "modality": "CT"}, "modality: 'CT'; the answer begins with <X_RAY>"),
        (("q", "a"), {"id": ["r"]}, r"id: \['r'\]; a list is no text"),
        (("q", "a"), {"case": float("inf")}, "case: inf; it is no finite number"),
    ],
)
def test_a_conversation_that_makes_no_sense(
    tmp_path: Path, turns: tuple[str, ...], row: dict[str, Any], told: str
) -> None:
    (found,) = faults(source(tmp_path, *turns, **row))
    assert re.search(f"rows.json, row 1: .*{told}", found)


def test_the_case_may_be_named_as_in_tables_and_a_patient_is_kept(tmp_path: Path) -> None:
    (found,) = samples(source(tmp_path, "q", "a", patient_id=7, study_id="s"))
    assert (found.case, found.metadata) == ("7", {"patient_id": "7"})
    assert Partition((("train", 0.5), ("val", 0.5)), "patient").part("d", found)
    (found,) = samples(source(tmp_path, "q", "a", case="nan", case_id="c\u200b"))
    assert (found.case, found.metadata) == ("c", {})


def test_the_fingerprint_is_that_of_file_images_and_arguments(tmp_path: Path) -> None:
    before = source(tmp_path, "q", "a", image="a.png").fingerprint()
    assert LlavaSource(tmp_path / "rows.json", Reading()).fingerprint() == before
    assert LlavaSource(tmp_path / "rows.json", Reading(modality_column="m")).fingerprint() != before
    (tmp_path / "a.png").write_bytes(picture(1, size=(9, 9)))
    assert LlavaSource(tmp_path / "rows.json", Reading()).fingerprint() != before


def test_an_image_that_no_marker_stands_for_is_not_dropped(tmp_path: Path) -> None:
    found = faults(source(tmp_path, "<image> q", "a", "More?", "b", image=["a.png", "b.png"], modality="CT"))
    assert len(found) == 1
    assert "the questions have 1 of them for 2 images; write one for each image, or none" in found[0]


def test_a_modality_without_an_image_is_a_fault_as_in_tables(tmp_path: Path) -> None:
    found = faults(source(tmp_path, "q", "a", image_path="a.png", modality="CT"))
    assert "modality: 'CT'; a modality without an image" in found[0]


def test_a_conversation_without_images_may_say_so(tmp_path: Path) -> None:
    (found,) = samples(source(tmp_path, "Dose?", "<TEXT_ONLY>\n5 mg"))
    assert (found.reference, found.modality) == ("5 mg", None)


def test_turns_in_front_of_the_first_image_are_text_only(tmp_path: Path) -> None:
    turns = ("Dose?", "<TEXT_ONLY>\n5 mg", "<image> Organ?", "<CT_SCAN>\nThe liver", "Why?", "A mass")
    found = samples(source(tmp_path, *turns, image="a.png"))
    assert [(one.reference, one.modality, len(one.images)) for one in found] == [
        ("5 mg", None, 0), ("The liver", "CT_SCAN", 1), ("A mass", "CT_SCAN", 1),
    ]  # fmt: skip
    assert found[1].question == "Question: Dose?\nAnswer: 5 mg\n\n<image> Organ?"
    for tagged, told in (("<CT_SCAN>\n5 mg", "a tag without an image"), ("<XY>\n5 mg", "unknown tag on a row without")):
        (fault,) = faults(source(tmp_path, "Dose?", tagged, *turns[2:], image="a.png"))
        assert told in fault
    (fault,) = faults(source(tmp_path, "<image> Organ?", "<TEXT_ONLY>\nThe liver", image="a.png"))
    assert "<TEXT_ONLY>'; unknown tag; known" in fault


@pytest.mark.parametrize("row", [{}, {"image": ["a.png", "b.png"], "modality": "CT"}])
def test_turns_of_a_conversation_without_a_case_are_not_divided(tmp_path: Path, row: dict[str, Any]) -> None:
    """Neither with an id nor without one; 20 seeds put two turns that are drawn apart together with 1 in 2^20."""
    first, second = ("<image> One?", "<image> Two?") if row else ("One?", "Two?")
    found = samples(source(tmp_path, first, "x", second, "y", **row))
    unnamed = samples(source(tmp_path, first, "x", second, "y", id=None, **row))
    other = samples(source(tmp_path, first, "x", second, "z", id=None, **row))
    assert {one.case for one in found} == {"r"}
    assert len({one.case for one in unnamed}) == 1
    assert {one.case for one in unnamed} != {one.case for one in other}
    for seed in range(20):
        halves = Partition.parse("train=0.5,val=0.5", seed=seed)
        for turns in (found, unnamed, other):
            assert len({halves.part("d", one) for one in turns}) == 1


def test_turns_of_the_same_images_stay_with_other_rows_of_them(tmp_path: Path) -> None:
    found = samples(source(tmp_path, "One?", "x", "Two?", "y", image="a.png", modality="CT"))
    assert [one.case for one in found] == ["", ""]


def test_ids_are_ids_if_any_row_has_one(tmp_path: Path) -> None:
    """A row with the id of another one is a fault, and no duplicate that is left out."""
    made = source(tmp_path, "q", "a")
    (row,) = json.loads(made.path.read_text())
    made.path.write_text(json.dumps([{"conversations": row["conversations"]}, row]))
    assert made.has_ids


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_names_that_are_no_path_are_faults_of_their_row(tmp_path: Path, name: str) -> None:
    made = source(tmp_path, "q", "a", image=name, modality="CT")
    assert made.fingerprint()
    assert len(faults(made)) == 1
