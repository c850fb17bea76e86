"""What cells mean: the kinds that benchmark files have, and those that make no sense."""

import re
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from medix.data.sources.class_label import Label
from medix.data.sources.table import Table
from medix.data.sources.table_file import TableError, TextRow
from medix.data.sources.table_images import ImageFiles
from medix.data.sources.table_row import Cells, TableRow
from medix.data.sources.table_schema import Columns, TableData
from tests.support.tables import row_of as row

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
        ({"o": ["A", "B"], "a": "A"}, Columns(answer="a", choices="o"), 0, ("A",), ("A", "B")),
        ({"o": ["A: x", "B: y"], "a": "y"}, Columns(answer="a", choices="o"), 1, ("y",), ("x", "y")),
        ({"o": ["A. x", "B. y"], "a": "B. y"}, Columns(answer="a", choices="o"), 1, ("y",), ("x", "y")),
        ({"o": ["A. x", "B. y"], "a": ["b) Y", "ypsilon"]}, Columns(answer="a", choices="o"), 1, ("y", "ypsilon"),
         ("x", "y")),
        ({"o": ["A. x", "B. y"], "l": "B", "a": "B. y"}, Columns(answer="a", answer_letter="l", choices="o"), 1, ("y",),
         ("x", "y")),
        ({"o": "['x' 'y'\n 'z']", "a": "y"}, Columns(answer="a", choices="o"), 1, ("y",), ("x", "y", "z")),
        ({"a": "['left' 'left side']"}, Columns(answer="a"), None, ("left", "left side"), ()),
        ({"o": ["x", "y"], "a": "z"}, Columns(answer="a", choices="o"), None, ("z",), ("x", "y")),
        ({"o": {"A": "x", "B": "y", "C": None}, "l": "A", "a": "x."},
         Columns(answer="a", answer_letter="l", choices="o"), 0, ("x", "x."), ("x", "y")),
        ({"a": 2}, Columns(answer="a"), None, ("2",), ()),
        ({"a": 2.0}, Columns(answer="a"), None, ("2",), ()),
        ({"a": ["left", "left lung"]}, Columns(answer="a"), None, ("left", "left lung"), ()),
        ({"a": "left", "b": "sinister"}, Columns(answer=["a", "b"]), None, ("left", "sinister"), ()),
        ({"a": None, "q": 1}, Columns(answer="a"), None, (), ()),
        ({"a": float("nan"), "i": float("nan")}, Columns(answer="a", images=["i"]), None, (), ()),
        ({"o": ["x", "y", float("nan")], "a": 0}, Columns(answer_index="a", choices="o"), 0, ("x",), ("x", "y")),
        ({"a": None, "b": ["wrong synonym", "x"]}, Columns(answer=["a", "b"]), None, (), ()),
        ({"a": None, "b": "x", "o": ["x", "y"]}, Columns(answer=["a", "b"], choices="o"), None, (), ("x", "y")),
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
        ({"o": ["left lung", "right lung"], "i": 1, "a": "Left lung"},
         Columns(answer="a", answer_index="i", choices="o"), "'Left lung'; it is another choice than 'right lung'"),
        ({"o": ["x", "y"], "l": "B", "a": "A"}, Columns(answer="a", answer_letter="l", choices="o"), "answer: 'A'; it"),
        ({"o": {"A": "x", "C": "y"}, "a": "A"}, Columns(answer_letter="a", choices="o"), "the letters A, B"),
        ({"o": ["x", "", "y"], "a": 0}, Columns(answer_index="a", choices="o"), "a choice in the middle is empty"),
        ({"o": ["A) x", "C) y", "D) z"], "a": "C"}, Columns(answer="a", choices="o"),
         "columns.choices: ['A) x', 'C) y', 'D) z']; the choices begin with labels that are not"),
        ({"o": [f"x{place}" for place in range(27)], "a": 0}, Columns(answer_index="a", choices="o"),
         "there are 27 choices, and 26 letters for them; keep fewer"),
        ({"o": "[x, y", "a": 0}, Columns(answer_index="a", choices="o"), "neither JSON nor a list"),
        ({"o": "['x' 'y', 'z']", "a": 0}, Columns(answer_index="a", choices="o"), "it has no comma between some"),
        ({"o": "['x' ... 'z']", "a": 0}, Columns(answer_index="a", choices="o"), "numpy has left elements out"),
        ({"a": "['x' 'y', 'z']"}, Columns(answer="a"), "columns.answer: \"['x' 'y', 'z']\"; it has no comma"),
        ({"o": ["x", "y"], "i": 0, "l": "(B)"}, Columns(answer_index="i", answer_letter="l", choices="o"),
         "answer_letter: '(B)'; it is another choice than 'x'"),
        ({"o": ["A. x", "B. y"], "l": "B", "a": "A. x"}, Columns(answer="a", answer_letter="l", choices="o"),
         "'A. x'; it is another choice than 'y'"),
        ({"o": ["B", "A"], "a": "A"}, Columns(answer="a", choices="o"),
         "columns.answer: 'A'; it is the text of the choice 'A' and the letter of 'B'; state what the column holds"),
        ({"o": 3, "a": 0}, Columns(answer_index="a", choices="o"), "give a list, an object"),
        ({"a": "x", "n": True}, Columns(answer="a", id="n"), "columns.id: True; a bool is no text"),
        ({"a": "x"}, Columns(answer="a", id="qid"), "no row has the column 'qid' (data.columns.id)"),
    ],
)  # fmt: skip
def test_a_cell_that_makes_no_sense_is_an_error(tmp_path: Path, cells: Any, columns: Columns, told: str) -> None:
    with pytest.raises(TableError) as caught:
        row(tmp_path, cells, columns)
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["B", "(B)", "B.", "b)", "Option B", "y", "Y.", "B. y", "B. x", "A. y"])
@pytest.mark.parametrize("where", ["answer", "list", "alias", "aliases"])
def test_no_spelling_of_another_choice_is_accepted_beside_the_right_one(tmp_path: Path, text: str, where: str) -> None:
    given = {"answer": {"a": text}, "list": {"a": ["x", text]}, "alias": {"s": text}, "aliases": {"s": ["z", text]}}
    cells = {"o": ["x", "y"], "a": "x", "s": None} | given[where]
    columns = {"answer": ["a", "s"], "choices": "o"}
    for stated in ({"answer_index": "n"}, {"answer_letter": "l"}, *([{}] if where != "answer" else [])):
        with pytest.raises(TableError, match=f"{re.escape(repr(text))}; it is another choice than 'x'|'y'; it is an"):
            row(tmp_path, {**cells, "n": 0, "l": "(A)"}, Columns(**columns, **stated))


@pytest.mark.parametrize("cells", [{"a": "lobes"}, {"a": "B. Lobes "}, {"a": "lobe", "s": "lobes"}])
def test_the_text_of_another_choice_that_says_the_same_is_not_accepted(tmp_path: Path, cells: Any) -> None:
    for stated in ({"answer_index": "n"}, {"answer_letter": "l"}):
        columns = Columns(answer=["a", "s"], choices="o", **stated)  # type: ignore[arg-type]
        with pytest.raises(TableError, match="it is another choice than 'lobe'"):
            row(tmp_path, {"o": ["lobe", "lobes"], "s": None, "n": 0, "l": "A"} | cells, columns)


@pytest.mark.parametrize("text", ["A", "(A)", "a)", "A.", "Option A", "X", "A. x", "Option A: x"])
def test_every_spelling_of_the_right_choice_is_the_choice(tmp_path: Path, text: str) -> None:
    columns = {"answer": ["a", "s"], "choices": "o"}
    for stated in ({}, {"answer_index": "n"}, {"answer_letter": "l"}):
        cells = {"o": ["x", "y"], "a": text, "s": [text, "ecks"], "n": 0, "l": "Option A"}
        found = row(tmp_path, cells, Columns(**columns, **stated))
        assert (found.answer_index, found.answers, found.notes) == (0, ("x", "ecks"), ())


def test_a_list_behind_a_tag_is_a_list(tmp_path: Path) -> None:
    for text in ("<CT_SCAN>\n['left', 'l']", "['<CT_SCAN>\\nleft', 'l']", '<CT_SCAN> ["left", "l"]'):
        found = row(tmp_path, {"a": text, "i": "x"}, Columns(answer="a", images=["i"]))
        assert (found.tag, found.answers) == ("CT_SCAN", ("left", "l"))


def test_labels_that_are_letters_count_the_choices_also_where_one_is_a_letter(tmp_path: Path) -> None:
    files = ImageFiles(TableData(Columns(answer="a", choices="o")), tmp_path, ExitStack())
    for choices, names, index in ((["B", "A"], ("A", "B"), 0), (["no", "yes"], ("yes", "no"), 1)):
        found = Cells(files.data, "row", {"o": choices, "a": Label(0, names)}, files).row()
        assert (found.answer_index, found.answers) == (index, (choices[index],))


def _of_csv(**cells: str) -> TableRow:
    columns = Columns(
        "q", ["a", "b"], context="c", choices="o", answer_index="n", subgroup={"age": "y"}, source="s", modality="m"
    )
    files = ImageFiles(TableData(columns, bands={"age": [65]}), Path(), ExitStack())
    return Cells(
        files.data, "row", TextRow({"a": "x", "b": "", "o": "", "n": "", "y": "70", "s": "t"} | cells), files
    ).row()


@pytest.mark.parametrize("nothing", ["nan", "NaN", "NA", "None", "null", "NULL", "<NA>"])
def test_what_programs_write_into_csv_where_there_is_nothing_is_nothing(nothing: str) -> None:
    found = _of_csv(a=nothing, n=nothing, y=nothing, s=nothing, q=f" {nothing}", c=f"[{nothing}, 'seen']", m=nothing)
    assert (found.answers, found.answer_index, found.subgroup, found.source) == ((), None, {"age": ""}, "")
    assert (found.question, found.context, found.modality) == ("", ("seen",), None)
    assert _of_csv(b=nothing).answers == ("x",)
    assert _of_csv(a="none").answers == ("none",)
    chosen = _of_csv(a=nothing, o=f"['left', '{nothing}']")
    assert (chosen.answers, chosen.answer_index) == ((nothing,), 1)


def test_an_index_of_csv_may_be_written_with_a_point_as_pandas_writes_a_column_with_a_gap() -> None:
    found = [_of_csv(a="", o="['left', 'right']", n=number) for number in ("1.0", "0", "-1.0")]
    assert [one.answer_index for one in found] == [1, 0, None]
    with pytest.raises(TableError, match=r"answer_index: '0\.5'; give the number of the right choice"):
        _of_csv(a="", o="['left', 'right']", n="0.5")


def _of_options(*choices: str, **cells: str) -> TableRow:
    data = TableData(Columns(answer="a", choices=["A", "B", "C", "D"], answer_letter="l"))
    row = TextRow({"a": "", "l": ""} | dict(zip("ABCD", choices, strict=False)) | cells)
    return Cells(data, "row", row, ImageFiles(data, Path(), ExitStack())).row()


@pytest.mark.parametrize("nothing", ["nan", "NaN", "NA", "None", "null", "NULL", "<NA>"])
def test_what_programs_write_into_csv_where_there_is_nothing_is_no_last_choice(nothing: str) -> None:
    """Tables have as many columns as their longest question has choices."""
    assert _of_options("x", "y", nothing, f" {nothing} ", a="y").choices == ("x", "y")
    assert _of_options(*[nothing] * 4, a="open").choices == ()
    assert _of_options("x", nothing, "y", "z", l="B").answers == (nothing,)
    with pytest.raises(TableError, match="'C'; is no letter of 2 choices"):
        _of_options("x", "y", nothing, nothing, l="C")
    assert _of_csv(o=nothing).choices == ()


@pytest.mark.parametrize("word", ["nan", "NaN", "NA", "None", "null", "NULL", "<NA>"])
def test_a_word_for_nothing_that_stands_once_is_a_choice_whatever_the_answer_is(word: str) -> None:
    """If it were one only where it is right, its being there would give the answer away."""
    for letter in "ABCD":
        assert _of_options("x", "y", "z", word, l=letter).choices == ("x", "y", "z", word)
    assert _of_options("x", "y", "z", word, a="y").choices == ("x", "y", "z", word)
    assert _of_options("x", "y", word, "", l="B").choices == ("x", "y", word)
    assert _of_options("x", "y", "z", word, l="D").answers == (word,)
    assert _of_options("x", "y", "z", word, a="D").answers == (word,)


@pytest.mark.parametrize(("last", "answers"), [("None", ("None",)), ("NA", ())])
def test_a_word_for_nothing_as_the_answer_is_no_name_of_the_last_choice_but_none(last: str, answers: Any) -> None:
    """Both cells of a row without a label may be filled by a program."""
    found = _of_options("x", "y", last, a=last)
    assert (found.choices, found.answers) == (("x", "y", last), answers)
    for named in (last.lower(), f"C. {last}", "C"):
        assert _of_options("x", "y", last, a=named).answers == (last,)


def test_none_in_json_may_be_an_answer(tmp_path: Path) -> None:
    assert row(tmp_path, {"a": "None"}, Columns(answer="a")).answers == ("None",)


def test_values_of_parquet_that_are_no_text_are_answers_and_groups(tmp_path: Path) -> None:
    values = [date(2024, 5, 1), datetime(2024, 5, 1, 8, 30), Decimal("2.50"), True]
    texts = ["2024-05-01", "2024-05-01T08:30:00", "2.5", "true"]
    pyarrow.parquet.write_table(
        pyarrow.table({"a": ["x"]} | {f"c{n}": [one] for n, one in enumerate(values)}), tmp_path / "t.parquet"
    )
    for number, text in enumerate(texts):
        columns = Columns(answer=["a", f"c{number}"], subgroup={"group": f"c{number}"})
        (found,) = Table(TableData(columns), "t", tmp_path)
        assert (found.answers, found.subgroup) == (("x", text), {"group": text})


def test_contexts_are_all_read_also_inside_an_object(tmp_path: Path) -> None:
    cells = {"context": {"contexts": ["one", "two", "three"]}, "a": "yes", "sex": "F"}
    found = row(tmp_path, cells, Columns(answer="a", context="context.contexts", subgroup={"Sex": "sex"}))
    assert found.context == ("one", "two", "three")
    assert found.subgroup == {"Sex": "F"}


def test_modalities_are_translated_and_unknown_ones_have_none(tmp_path: Path) -> None:
    columns, tags = Columns(answer="a", modality="m"), {"CT": "CT_SCAN"}
    assert row(tmp_path, {"a": "x", "m": "CT"}, columns, modality_tags=tags).modality == "CT_SCAN"
    assert row(tmp_path, {"a": "x", "m": "US"}, columns, modality_tags=tags).modality is None
    assert row(tmp_path, {"a": "x", "m": "<mri_scan>"}, columns).modality == "MRI_SCAN"
    assert row(tmp_path, {"a": "x", "m": ""}, columns).modality is None
    with pytest.raises(
        TableError, match=r"columns\.modality: 'US'; it is no tag; say which one it is in data\.modality_t"
    ):
        row(tmp_path, {"a": "x", "m": "US"}, columns)
    assert row(tmp_path, {"a": "x"}, Columns(answer="a"), modality="X_RAY").modality == "X_RAY"


def test_labels_of_subgroups_are_stripped_and_numbers_fall_into_bands(tmp_path: Path) -> None:
    columns = Columns(answer="a", source="s", subgroup={"age": "y", "smokes": "b", "none": "n"})
    cells = {"a": "x", "s": " A ", "y": "45.0", "b": True, "n": float("nan")}
    found = row(tmp_path, cells, columns, bands={"age": [18, 65]})
    assert (found.source, found.subgroup) == ("A", {"age": "18 to <65", "smokes": "true", "none": ""})
    assert row(tmp_path, cells | {"y": None}, columns, bands={"age": [18, 65]}).subgroup["age"] == ""
    with pytest.raises(TableError, match=r"columns\.subgroup\.age: '045Y'; data\.bands needs numbers"):
        row(tmp_path, cells | {"y": "045Y"}, columns, bands={"age": [18, 65]})


@pytest.mark.parametrize(
    ("text", "case"), [("nan", ""), ("None ", ""), ("<NA>", ""), (" NA", ""), (" Nancy", "Nancy"), ("0", "0")]
)
def test_what_programs_write_for_no_case_is_no_case(tmp_path: Path, text: str, case: str) -> None:
    """Otherwise all of these rows would be one case, in one part and in one cluster of an interval."""
    assert row(tmp_path, {"a": "x", "c": text}, Columns(answer="a", case="c")).case == case


@pytest.mark.parametrize("listed", [["a.png", None], ["a.png", ""], "['a.png', None]", ["a.png", {"bytes": None}]])
def test_nothing_in_a_list_of_images_is_a_fault_with_its_place(tmp_path: Path, listed: Any) -> None:
    """Markers of the question would stand for other images."""
    (tmp_path / "a.png").write_bytes(b"x")
    first, second = row(tmp_path, {"a": "x", "i": listed}, Columns(answer="a", images=["i"])).images
    assert (first.fault, second.number) == ("", 2)
    assert "image 2 of 2 is empty; name it, or take it out of the list" in second.fault
    assert (
        row(tmp_path, {"a": "x", "i": None, "j": "a.png"}, Columns(answer="a", images=["i", "j"])).images[0].number == 2
    )


@pytest.mark.parametrize("answer", ["left", "A", "a. left", "(A) Left"])
def test_an_answer_with_a_tag_names_a_choice_as_one_without(tmp_path: Path, answer: str) -> None:
    cells = {"o": ["left", "right"], "a": f"<CT_SCAN>\n{answer}", "i": "x"}
    found = row(tmp_path, cells, Columns(answer="a", choices="o", images=["i"]))
    assert (found.tag, found.answer_index, found.answers) == ("CT_SCAN", 0, ("left",))
    by_letter = row(tmp_path, {"l": "<CT_SCAN>\nA", "o": ["x", "y"], "i": "x"},
                    Columns(answer_letter="l", choices="o", images=["i"]))  # fmt: skip
    assert (by_letter.tag, by_letter.answers) == ("CT_SCAN", ("x",))
    with pytest.raises(TableError, match=rf"{re.escape(repr(answer))}; it is another choice than 'right', which the"):
        row(tmp_path, cells | {"n": 1}, Columns(answer="a", answer_index="n", choices="o", images=["i"]))
    with pytest.raises(TableError, match=r"columns\.answer: .*a tag without an image"):
        row(tmp_path, cells, Columns(answer="a", choices="o"))


@pytest.mark.parametrize("nothing", ["nan", "NA", "None"])
def test_a_word_for_nothing_behind_a_tag_is_nothing_and_in_a_list_a_text(nothing: str) -> None:
    data = TableData(Columns(answer=["a", "b"], images=["i"]))
    files = ImageFiles(data, Path(), ExitStack())
    of = [
        Cells(data, "row", TextRow(a=answer, b=alias, i="x"), files).row()
        for answer, alias in ((f"<CT_SCAN>\n{nothing}", "x"), (f'["{nothing}", "no finding"]', f"['{nothing}s']"))
    ]
    assert [(one.tag, one.answers) for one in of] == [
        ("CT_SCAN", ()),
        (None, (nothing, "no finding", f"{nothing}s")),
    ]


@pytest.mark.parametrize(
    ("answer", "alias", "answers"),
    [
        ("two", "[2]", ("two", "2")),
        ("two", "[2, 3.0]", ("two", "2", "3")),
        ("two", "[2 3]", ("two", "2", "3")),
        ("[1, 2]", "[1, 3]", ("[1, 2]", "[1, 3]")),  # a box
        ("two", "[[1, 2]]", ("two", "[[1, 2]]")),
    ],
)
def test_synonyms_of_csv_that_are_numbers_are_those_of_json(answer: str, alias: str, answers: Any) -> None:
    assert _of_csv(a=answer, b=alias).answers == answers


def test_a_choice_that_pandas_wrote_with_a_point_is_named_without_it() -> None:
    for answer, choices in (("5", ("5.0", "6.0")), ("5.0", ("5", "6"))):
        found = _of_options(*choices, "", "", a=answer)
        assert (found.answer_index, found.answers) == (0, (choices[0], answer))
    assert _of_options("1.5", "2.0", "", "", a="1").answer_index is None
    with pytest.raises(TableError, match="it is the text of the choice '1' and the number of '1' or '2'"):
        _of_options("1", "2", "", "", a="1.0")


def test_a_word_for_nothing_without_a_label_is_no_choice_where_the_others_have_one() -> None:
    found = _of_options("A. x", "(B) y", "C. None", "nan", a="C")
    assert (found.choices, found.answers) == (("x", "y", "None"), ("None",))
    assert _of_options("A. x", "B. y", "C. None", "D. nan", a="D").choices == ("x", "y", "None", "nan")


def test_a_text_with_a_nul_is_a_fault_of_its_row() -> None:
    """UTF-16 without its mark is read as such."""
    with pytest.raises(TableError, match=r"columns\.question: 'a\\x00'; it has a NUL character"):
        _of_csv(q="a\0")
