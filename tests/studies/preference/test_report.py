"""The report of a study."""

import io
import json

import pytest

from medix.plain_console import PlainConsole
from medix.studies.preference.rating import GRADES, Rating
from medix.studies.preference.report import StudyReport
from tests.support.studies import rating


def report(ratings: list[Rating], models: tuple[str, ...] = ("mine", "theirs"), planned: int = 10) -> StudyReport:
    return StudyReport(models, [planned, planned], ratings, {"seed": 1})


def some(count: int = 20) -> list[Rating]:
    said = ["left", "left", "right", "tie", "neither"]
    return [
        rating(said[case % 5], str(case), rater, modality=["X_RAY", "CT_SCAN"][case % 2], grades=("good", GRADES[0]))
        for case in range(count)
        for rater in (0, 1)
    ]  # fmt: skip


def text(found: StudyReport) -> str:
    """What a terminal shows."""
    console = PlainConsole(file=io.StringIO(), width=200)
    for table in found.tables():
        table.print(console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_tables_say_who_is_preferred_and_of_what_the_numbers_are() -> None:
    found = report(some())
    titles = [table.title for table in found.tables()]
    assert titles == [
        "Progress",
        "Preferences (95 % intervals, clustered by case)",
        "Cases, each counted once by the majority of its ratings",
        "First preferred, by modality",
        "Reasoning, in grades",
        "Agreement and position",
    ]
    rows = {table.title: [list(row) for row in table.rows] for table in found.tables()}
    assert rows["Progress"][0] == ["Rater 1", "20 of 10", "0 s", "0"]
    assert rows[titles[1]][0][:6] == ["mine : theirs", "40", "16", "8", "8", "8"]
    assert rows[titles[1]][0][6].startswith("66.7 % (")
    assert rows[titles[2]][0][:4] == ["mine : theirs", "8", "4", "8"]
    assert [row[0] for row in rows["First preferred, by modality"]] == ["CT_SCAN", "X_RAY"]
    assert [row[:4] for row in rows["Reasoning, in grades"]] == [["mine", "0", "0", "40"], ["theirs", "40", "0", "0"]]
    assert rows["Agreement and position"][1] == ["Krippendorff's alpha, nominal", "1.000"]


def test_what_an_interval_does_not_hold_for_is_said() -> None:
    assert [note.split(".")[0] for note in report(some(), planned=50).notes] == [
        "40 of 100 ratings are in",
        "intervals are clustered by case alone and hold for these 2 raters: what others would prefer takes 5 raters or "
        "more",
    ]
    many = [rating("left", str(case), rater) for case in range(4) for rater in range(5)]
    assert report(many).notes == []


def test_more_than_two_models_have_strengths_and_adjusted_p_values() -> None:
    ratings = [
        rating("left" if number % 3 else "right", str(number), models=pair)
        for number in range(12)
        for pair in ((0, 1), (0, 2), (1, 2))
    ]
    found = report(ratings, ("a", "b", "c"))
    shown = text(found)
    assert "Bradley-Terry" in shown
    assert "p, Holm" in found.tables()[2].columns
    data = found.to_dict()
    assert [one["estimate"] > 0 for one in data["strengths"]] == [True, False, False]
    assert data["pairs"][0]["p_value_holm"] >= data["pairs"][0]["exact"]["p_value"]
    alone = report([rating("left", models=(0, 1))], ("a", "b", "c"))
    assert "Bradley-Terry" not in text(alone)
    assert any(note.startswith("no strengths: some models have won all") for note in alone.notes)


def test_numbers_are_plain_data_also_before_the_first_rating() -> None:
    empty = report([])
    assert [table.title for table in empty.tables()] == ["Progress"]
    for found in (empty, report(some()), report([rating("tie")])):
        data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert data["models"] == ["mine", "theirs"]
        assert len(data["raters"]) == 2
    assert empty.to_dict()["agreement"]["alpha"] is None


@pytest.mark.parametrize("is_swapped", [False, True])
def test_rows_name_the_preferred_model(is_swapped: bool) -> None:
    said = rating("left", "c", 1, is_swapped=is_swapped, grades=("good", ""), comment="so", seconds=3.21)
    [row] = report([said]).rows()
    assert row["preferred"] == ("theirs" if is_swapped else "mine")
    assert row["first_on_the"] == ("right" if is_swapped else "left")
    assert (row["rater"], row["reasoning"], row["comment"], row["seconds"]) == (
        2,
        {"first": "good", "second": None},
        "so",
        3.2,
    )


def test_a_models_name_does_not_steer_the_terminal() -> None:
    assert "\x1b[2J" not in text(report(some(), ("a\x1b[2J", "b")))
