"""What the columns of a table mean: the kinds of cells that benchmark files have, and those that make no sense."""

import zipfile
from pathlib import Path
from typing import Any

import datasets
import pytest

from medix.data.sources import table_hub
from medix.data.sources.table import Columns, Table, TableData, TableRow, found_files, text_of
from medix.data.sources.table_file import Label, TableError
from tests.support.tables import image, jsonl, parquet

LETTERS = datasets.ClassLabel(names=["a", "b", "c", "d"])


def row(folder: Path, cells: dict[str, Any], columns: Columns, **data: Any) -> TableRow:
    """The row of a table of one row, as JSON lines."""
    jsonl(folder / "t.jsonl", [cells])
    (found,) = Table(TableData(columns, **data), "t", folder)
    return found


# Answers and choices -----------------------------------------------------------------------------------------------

CHOICES = {"opa": "skin", "opb": "bone", "opc": "5"}
FOUR = ["opa", "opb", "opc"]


@pytest.mark.parametrize(
    ("cells", "columns", "index", "answers", "choices"),
    [
        ({**CHOICES, "cop": 1}, Columns(answer_index="cop", choices=FOUR), 1, ("bone",), ("skin", "bone", "5")),
        ({"o": ["x", "y"], "a": "B"}, Columns(answer_letter="a", choices="o"), 1, ("y",), ("x", "y")),
        ({"o": "['x', \"y's\"]", "a": "B"}, Columns(answer_letter="a", choices="o"), 1, ("y's",), ("x", "y's")),
        ({"o": "[]", "a": "2"}, Columns(answer_letter="a", choices="o"), None, ("2",), ()),
        ({"o": '["x", "y"]', "a": "Y"}, Columns(answer="a", choices="o"), 1, ("y",), ("x", "y")),
        ({"o": ["x", "y"], "a": "B"}, Columns(answer="a", choices="o"), 1, ("y",), ("x", "y")),
        ({"o": ["A: x", "B: y"], "a": "y"}, Columns(answer="a", choices="o"), 1, ("y",), ("x", "y")),
        ({"o": ["x", "y"], "a": "z"}, Columns(answer="a", choices="o"), None, ("z",), ("x", "y")),
        ({"o": {"A": "x", "B": "y", "C": None}, "l": "A", "a": "x."},
         Columns(answer="a", answer_letter="l", choices="o"), 0, ("x", "x."), ("x", "y")),
        ({"a": 2}, Columns(answer="a"), None, ("2",), ()),
        ({"a": 2.0}, Columns(answer="a"), None, ("2",), ()),
        ({"a": ["left", "left lung"]}, Columns(answer="a"), None, ("left", "left lung"), ()),
        ({"a": "left", "b": "sinister"}, Columns(answer=["a", "b"]), None, ("left", "sinister"), ()),
        ({"a": None, "q": 1}, Columns(answer="a"), None, (), ()),
        ({"o": ["x", "y"], "a": -1}, Columns(answer_index="a", choices="o"), None, (), ("x", "y")),
        ({"o": ["x", "y", ""], "a": 0}, Columns(answer_index="a", choices="o"), 0, ("x",), ("x", "y")),
    ],
)  # fmt: skip
def test_answers_are_found_by_index_letter_or_text(
    tmp_path: Path, cells: dict[str, Any], columns: Columns, index: int | None, answers: Any, choices: Any
) -> None:
    found = row(tmp_path, cells, columns)
    assert (found.answer_index, found.answers, found.choices) == (index, answers, choices)


@pytest.mark.parametrize(
    ("cells", "columns", "told"),
    [
        ({"o": ["x", "y"], "a": 2}, Columns(answer_index="a", choices="o"),
         "columns.answer_index: 2; there are 2 choices, counted from 0"),
        ({"o": ["x", "y"], "a": 0.5}, Columns(answer_index="a", choices="o"),
         "columns.answer_index: 0.5; give the number"),
        ({"o": ["x", "y"], "a": True}, Columns(answer_index="a", choices="o"),
         "columns.answer_index: True; give the number"),
        ({"o": ["x", "y"], "a": "C"}, Columns(answer_letter="a", choices="o"), "is no letter of 2 choices"),
        ({"o": {"A": "x", "C": "y"}, "a": "A"}, Columns(answer_letter="a", choices="o"), "the letters A, B"),
        ({"o": ["x", "", "y"], "a": 0}, Columns(answer_index="a", choices="o"), "a choice in the middle is empty"),
        ({"o": "[x, y", "a": 0}, Columns(answer_index="a", choices="o"), "neither JSON nor a list"),
        ({"o": 3, "a": 0}, Columns(answer_index="a", choices="o"), "give a list, an object"),
        ({"a": True}, Columns(answer="a"), "columns.answer: True; a bool is no text"),
        ({"a": "x"}, Columns(answer="a", id="qid"), "no row has the column 'qid' (data.columns.id)"),
        ({"a": "x", "i": 3}, Columns(answer="a", images=["i"]), "give encoded bytes or the name of a file"),
    ],
)  # fmt: skip
def test_a_cell_that_makes_no_sense_is_an_error(tmp_path: Path, cells: Any, columns: Columns, told: str) -> None:
    with pytest.raises(TableError) as caught:
        row(tmp_path, cells, columns)
    assert told in str(caught.value)


def test_a_column_that_a_file_lacks_is_named_with_those_it_has(tmp_path: Path) -> None:
    parquet(tmp_path / "t.parquet", [{"a": "x", "b": "y"}])
    with pytest.raises(TableError, match=r"there is no column 'c' \(data.columns.question\); its columns are a, b"):
        list(Table(TableData(Columns(answer="a", question="c")), "t", tmp_path))


def test_labels_count_by_number_and_read_by_name(tmp_path: Path) -> None:
    """``cop`` of MedMCQA is a label a..d and 0-based; a filter may name either."""
    rows = [{"o1": "w", "o2": "x", "o3": "y", "o4": "z", "cop": cop} for cop in (0, 3)]
    parquet(tmp_path / "t.parquet", rows, cop=LETTERS)
    columns = Columns(answer_index="cop", choices=["o1", "o2", "o3", "o4"], source="cop")
    found = list(Table(TableData(columns), "t", tmp_path))
    assert [(one.answer_index, one.answers, one.source) for one in found] == [(0, ("w",), "a"), (3, ("z",), "d")]
    for wanted in ("d", 3, ["c", "d"]):
        assert [one.source for one in Table(TableData(columns, filter={"cop": wanted}), "t", tmp_path)] == ["d"]


def test_text_of_cells() -> None:
    cells = ["x", 3, 3.0, 2.5, None, Label(1, ("no", "yes")), Label(-1, ("no",)), True, [1], float("nan")]
    assert [text_of(cell) for cell in cells] == ["x", "3", "3", "2.5", "", "yes", "", None, None, "nan"]


# Everything else ------------------------------------------------------------------------------------------------------


def test_contexts_are_all_read_also_inside_an_object(tmp_path: Path) -> None:
    cells = {"context": {"contexts": ["one", "two", "three"]}, "a": "yes", "sex": "F"}
    found = row(tmp_path, cells, Columns(answer="a", context="context.contexts", subgroup={"Sex": "sex"}))
    assert found.context == ("one", "two", "three")
    assert found.subgroup == {"Sex": "F"}


def test_modalities_are_translated_and_unknown_ones_have_none(tmp_path: Path) -> None:
    columns, tags = Columns(answer="a", modality="m"), {"CT": "CT_SCAN"}
    assert row(tmp_path, {"a": "x", "m": "CT"}, columns, modality_tags=tags).modality == "CT_SCAN"
    assert row(tmp_path, {"a": "x", "m": "US"}, columns, modality_tags=tags).modality is None
    assert row(tmp_path, {"a": "x"}, Columns(answer="a"), modality="X_RAY").modality == "X_RAY"


def test_images_are_bytes_names_or_lists_and_empty_cells_are_counted(tmp_path: Path) -> None:
    inside = image(seed=1)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "b.png").write_bytes(image(seed=2))
    cells = [{"bytes": inside, "path": None}, None, {"bytes": None, "path": "b"}, {"bytes": None, "path": "none"}]
    parquet(tmp_path / "t.parquet", [{"a": "x", **{f"i{place}": cell for place, cell in enumerate(cells)}}])
    columns = Columns(answer="a", images=[f"i{place}" for place in range(4)])
    (found,) = Table(TableData(columns, image_folder="pictures", image_suffix=".png"), "t", tmp_path)
    assert [(one.number, one.name, one.data) for one in found.images] == [
        (1, "i0", inside), (3, "b.png", image(seed=2)), (4, "none.png", b""),
    ]  # fmt: skip
    assert "none.png cannot be read (No such file" in found.images[2].fault
    listed = row(tmp_path / "pictures", {"a": "x", "n": ["b.png", "b.png"]}, Columns(answer="a", images=["n"]))
    assert [one.number for one in listed.images] == [1, 2]


def test_images_of_a_hub_may_lie_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "imgs.zip", "w") as archive:
        archive.writestr("imgs/x/1.jpg", image(seed=3))

    def rows(self: table_hub.HubTable) -> Any:
        for number, name in enumerate(("x/1.jpg", "x/2.jpg"), start=1):
            yield "hub", number, {"a": "x", "i": name}

    monkeypatch.setattr(table_hub.HubTable, "__iter__", rows)
    data = TableData(
        Columns(answer="a", images=["i"]), hub=str(tmp_path), image_folder="imgs", image_archive="imgs.zip"
    )
    first, second = Table(data, "t")
    assert first.images[0].data == image(seed=3)
    assert "x/2.jpg cannot be read" in second.images[0].fault


def test_the_first_pattern_that_matches_is_read_and_its_files_in_order(tmp_path: Path) -> None:
    data = TableData(Columns(answer="a"), local=["none/*.jsonl", "t/part-*.jsonl"])
    for number in (2, 1):
        jsonl(tmp_path / "t" / f"part-{number}.jsonl", [{"a": str(number)}])
    jsonl(tmp_path / "t" / "data" / "test-0.jsonl", [{"a": "hub"}])
    assert [one.answers for one in Table(data, "t", tmp_path)] == [("1",), ("2",)]
    usual = TableData(Columns(answer="a"))
    assert [one.answers for one in Table(usual, "t", tmp_path)] == [("hub",)]
    assert found_files(usual, "other", tmp_path) == ()


@pytest.mark.parametrize(
    ("data", "folder", "told"),
    [
        (TableData(Columns(answer="a"), hub="x/y"), "here", "leave --data out to read x/y from its hub"),
        (TableData(Columns(answer="a")), "here", "put its files there"),
        (TableData(Columns(answer="a")), None, "is not on a hub; give --data"),
        (TableData(Columns(answer="a")), "nowhere", "is no folder"),
    ],
)
def test_a_table_that_is_not_there_says_how_to_get_it(
    tmp_path: Path, data: TableData, folder: str | None, told: str
) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(TableError, match=told):
        list(Table(data, "t", tmp_path / folder if folder else None))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"columns": Columns(question="q")}, "names no answer"),
        ({"columns": Columns(answer="a", choices="c"), "fixed_choices": ["yes"]}, "both name the choices"),
        ({"columns": Columns(answer="a", modality="m"), "modality": "CT_SCAN"}, "both name the modality"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(arguments: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TableData(**arguments)
