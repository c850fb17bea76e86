"""Tasks from files in a hub's columns."""

from pathlib import Path

import pytest

from medix.data.sources.table_file import TableError
from medix.data.sources.table_schema import Columns, TableData
from medix.evaluation.tasks.loader import LoadedTask, availability, load
from medix.evaluation.tasks.spec import FOLDER, Task, read_task
from tests.support.tables import MMLU, image, jsonl, mmlu, parquet, slake


def loaded(name: str, folder: Path) -> LoadedTask:
    return load(name, read_task(FOLDER / f"{name}.yaml"), folder)


def test_slake_keeps_the_english_rows_with_their_images_and_modalities(tmp_path: Path) -> None:
    found = loaded("slake_vqa", slake(tmp_path))
    assert [(item.id, item.references, item.modality) for item in found.items] == [
        ("100", ("Lung",), "CT_SCAN"), ("101", ("No",), "CT_SCAN"), ("103", ("2",), "MRI_SCAN"),
    ]  # fmt: skip
    first, second, third = (item.cluster for item in found.items)
    assert first == second != third
    assert found.difference == "3 of 1,061 rows"
    assert found.to_dict()["rows"] == 3
    assert found.to_dict()["expected_rows"] == 1061


def test_a_benchmark_of_each_layout_is_read(tmp_path: Path) -> None:
    assert [item.answer_index for item in loaded("mmlu_anatomy", mmlu(tmp_path)).items] == [1, 0, 2]
    rows = [{"QUESTION": "Is it?", "CONTEXTS": ["One.", "Two."], "final_decision": "maybe", "YEAR": "2002"}]
    parquet(tmp_path / "pubmedqa" / "test.parquet", rows)
    (item,) = loaded("pubmedqa", tmp_path).items
    assert item.question.startswith("Contexts:\nOne.\n\nTwo.\n\nQuestion: Is it?\n\nChoices:\nA. yes\nB. no\nC. maybe")
    assert (item.answer_index, item.references) == (2, ("maybe",))
    options = {"A": "Aspirin", "B": "Heparin"} | dict.fromkeys("CDEFGHI")
    parquet(tmp_path / "usmle_sa" / "train.parquet",
            [{"question": "Which?", "options": options, "answer": "heparin.", "answer_idx": "B"}])  # fmt: skip
    (item,) = loaded("usmle_sa", tmp_path).items
    assert (item.choices, item.answer_index) == (("Aspirin", "Heparin"), 1)
    assert item.references == ("Heparin", "heparin.")
    case = {"U_id": "MPX1", "TAC": ["MPX1_a"], "MRI": [], "Case": {"History": "Fell.", "Case Diagnosis": "Fracture"},
            "Topic": {"Category": "Trauma"}}  # fmt: skip
    jsonl(tmp_path / "MedPix-2-0" / "splitted_dataset" / "data_test.jsonl", [case])
    (tmp_path / "MedPix-2-0" / "images").mkdir()
    (tmp_path / "MedPix-2-0" / "images" / "MPX1_a.png").write_bytes(image("L"))
    (item,) = loaded("medpix", tmp_path).items
    assert (item.question, item.references) == ("History: Fell.\n\nWhat is the most likely diagnosis?", ("Fracture",))
    assert (item.cluster, len(item.images), item.fault) == ("MPX1", 1, "")


def test_a_task_none_of_whose_images_can_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"cannot be read \(No such file .*; so it is in every row with an image"):
        loaded("slake_vqa", slake(tmp_path, images=False))


def test_a_task_whose_filter_leaves_nothing_is_an_error(tmp_path: Path) -> None:
    jsonl(tmp_path / "slake" / "test.jsonl",
          [{"img_name": "a", "question": "b", "answer": "c", "q_lang": "zh", "modality": "CT", "answer_type": "OPEN",
            "location": "d", "content_type": "e", "qid": 1}])  # fmt: skip
    with pytest.raises(TableError, match=r"no row is left \(filter: \{'q_lang': 'en'\}\)"):
        loaded("slake_vqa", tmp_path)


@pytest.mark.parametrize(("name", "content"), [("t.csv", "q,a\n"), ("t.jsonl", "")])
def test_a_table_without_rows_is_an_error_that_says_so(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    task = Task("", TableData(Columns(question="q", answer="a")), "binary", "item", "")
    with pytest.raises(TableError, match=rf"t: \S+/{name} has no rows; give a table that has some"):
        load("t", task, tmp_path)


def test_a_negative_age_counts_as_not_given_and_is_told(tmp_path: Path) -> None:
    data = TableData(Columns(question="q", answer="a", subgroup={"age": "y"}), bands={"age": [18, 65]})
    jsonl(tmp_path / "t.jsonl", [{"q": f"{age}?", "a": "x", "y": age} for age in (-1, 17, 70)])
    found = load("t", Task("", data, "binary", "item", ""), tmp_path)
    assert [item.subgroup["age"] for item in found.items] == ["", "<18", "65 and over"]
    assert found.notes == ("rows whose age is below 0, which counts as not given: 1",)


def test_items_that_share_one_of_their_images_are_one_cluster(tmp_path: Path) -> None:
    """Each study beside the one before it: all of one patient hang together, and no interval counts them apart."""
    task = Task("", TableData(Columns(question="q", answer="a", images=["i"])), "binary", "image", "")
    for name in "abcde":
        (tmp_path / f"{name}.png").write_bytes(name.encode())
    shown = [["a.png", "b.png"], ["d.png"], ["c.png", "d.png"], ["b.png", "c.png"], ["e.png"], ["none.png"]]
    jsonl(tmp_path / "t.jsonl", [{"q": f"{n}?", "a": "x", "i": names} for n, names in enumerate(shown)])
    clusters = [item.cluster for item in load("t", task, tmp_path).items]
    assert len(set(clusters[:4])) == 1
    assert len(set(clusters)) == 3


def test_availability_counts_what_is_here_and_says_what_is_not(tmp_path: Path) -> None:
    found = availability("slake_vqa", read_task(FOLDER / "slake_vqa.yaml"), slake(tmp_path))
    assert (found.where, found.rows, found.images, found.fault) == ("slake/test.jsonl", 3, 2, "")
    (tmp_path / "slake" / "imgs" / "xmlab1" / "source.jpg").write_bytes(b"torn")
    found = availability("slake_vqa", read_task(FOLDER / "slake_vqa.yaml"), tmp_path)
    assert found.fault == "1 rows lack an image, or have one that cannot be read"
    mmlu(tmp_path, [*MMLU, {**MMLU[0], "choices": ["a"]}])
    broken = availability("mmlu_anatomy", read_task(FOLDER / "mmlu_anatomy.yaml"), tmp_path)
    assert (broken.where, broken.can_be_read, broken.is_here) == ("mmlu/anatomy/test.parquet", False, False)
    assert "row 4: columns.answer_index" in broken.fault
    absent = [availability(name, read_task(FOLDER / f"{name}.yaml"), tmp_path) for name in ("path_vqa", "medpix")]
    assert [(one.where, one.can_be_read, one.is_here) for one in absent] == [("", True, False)] * 2
    assert "flaviagiammarino/path-vqa" in absent[0].fault
    hub = availability("path_vqa", read_task(FOLDER / "path_vqa.yaml"), None)
    assert hub.where == "hub: flaviagiammarino/path-vqa"
    assert not availability("medpix", read_task(FOLDER / "medpix.yaml"), None).where


def test_rows_without_their_image_are_counted_as_missing(tmp_path: Path) -> None:
    task = read_task(FOLDER / "path_vqa.yaml")
    rows = [{"image": {"bytes": image(), "path": None}, "question": "q", "answer": "a"}]
    parquet(tmp_path / "path_vqa" / "test.parquet", [*rows, {"image": None, "question": "r", "answer": "a"}])
    assert availability("path_vqa", task, tmp_path).fault.startswith("1 rows lack an image")


def test_a_task_whose_answers_are_numbers_of_choices_is_an_error(tmp_path: Path) -> None:
    """Read as texts, they are none of the choices: a judge would compare each answer with a number."""
    task = Task("", TableData(Columns(question="q", answer="a", choices="o")), "binary", "item", "")
    rows = [{"q": "Which?", "a": n, "o": ["x", "y"]} for n in (1, 2)]
    jsonl(tmp_path / "t.jsonl", rows)
    with pytest.raises(TableError, match=r"'1' is none of the choices \(x, y\), and so it is in every row; name the"):
        load("t", task, tmp_path)
    jsonl(tmp_path / "t.jsonl", [*rows, {"q": "Which?", "a": "y", "o": ["x", "y"]}])
    assert [item.answer_index for item in load("t", task, tmp_path).items] == [None, None, 1]


@pytest.mark.parametrize("column", ["question", "case"])
def test_a_column_that_json_lines_lack_is_named(tmp_path: Path, column: str) -> None:
    """And not what its absence does to the first row."""
    task = Task("", TableData(Columns(question="question", answer="answer", case="case")), "binary", "case", "")
    row = {"question": "Which?", "answer": "left", "case": "1"}
    jsonl(tmp_path / "mine.jsonl", [{key: value for key, value in row.items() if key != column}] * 2)
    with pytest.raises(TableError, match=rf"mine: no row has the column '{column}' \(data\.columns\.{column}\)"):
        load("mine", task, tmp_path)
    jsonl(tmp_path / "mine.jsonl", [{**row, column: ""}, row])
    with pytest.raises(ValueError, match=r"row 1: "):
        load("mine", task, tmp_path)
