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
        "First preferred, by modality (95 % intervals, clustered by case)",
        "Reasoning, in grades (95 % intervals, clustered by case)",
        "Agreement and position",
    ]
    rows = {table.title: [list(row) for row in table.rows] for table in found.tables()}
    assert rows["Progress"][0] == ["Rater 1", "20 of 10", "0 s", "0"]
    assert rows[titles[1]][0][:6] == ["mine : theirs", "40", "16", "8", "8", "8"]
    assert rows[titles[1]][0][6].startswith("66.7 % (")
    assert rows[titles[2]][0][:4] == ["mine : theirs", "8", "4", "8"]
    assert [row[0] for row in rows[titles[3]]] == ["CT_SCAN", "X_RAY"]
    assert [row[:4] for row in rows[titles[4]]] == [["mine", "0", "0", "40"], ["theirs", "40", "0", "0"]]
    assert rows["Agreement and position"][1] == ["Krippendorff's alpha, nominal", "1.000"]


def test_what_an_interval_does_not_hold_for_is_said() -> None:
    assert [note.split(".")[0] for note in report(some(), planned=50).notes] == [
        "40 of 100 ratings are in",
        "intervals and p-values are clustered by case alone and hold for these 2 raters: what others would prefer "
        "takes preferences of 5 raters or more in 5 cases or more",
    ]
    [alone] = report([rating("left", str(case)) for case in range(20)]).notes
    assert "hold for this rater: " in alone


def of_raters(pairs: dict[tuple[int, int], int], cases: int = 12) -> list[Rating]:
    """Of each pair of models ratings by the raters from the first on, who share all cases; the first model wins."""
    return [
        rating("right" if (case + rater) % 3 == 0 else "left", f"{pair} {case}", rater, models=pair)
        for pair, raters in pairs.items()
        for case in range(cases)
        for rater in range(raters)
    ]


def test_with_many_raters_what_takes_them_as_given_is_named() -> None:
    """The share of wins allows for raters who differ; the exact test, strengths and the sides do not."""
    rest = (
        "and the share for the left take the raters as given, however many they are, and hold for these 6 raters alone"
    )
    two = report(of_raters({(0, 1): 6}))
    assert two.notes == [f"exact intervals and p-values over cases {rest}"]
    assert two.tables()[1].title == "Preferences (95 % intervals, clustered by case and rater)"
    three = report(of_raters({(0, 1): 6, (0, 2): 6, (1, 2): 6}), ("a", "b", "c"))
    assert three.strengths is not None
    assert not three.strengths.fault
    assert three.notes == [f"exact intervals and p-values over cases, strengths {rest}"]
    few = report(of_raters({(0, 1): 6}, cases=4))  # no share of wins has an interval, the exact test has one
    assert few.notes == two.notes


def test_raters_are_those_of_each_pair_of_models() -> None:
    """Six raters in all: of the second pair two, as where a study was dealt unevenly, or four have not rated yet."""
    found = report(of_raters({(0, 1): 6, (0, 2): 2}), ("a", "b", "c"))
    preferred = found.tables()[1]
    assert preferred.title == (
        'Preferences (95 % intervals, clustered by case and rater, by case alone where it says "these raters")'
    )
    assert [row[6].endswith(", these raters") for row in preferred.rows] == [False, True]
    assert found.notes[0].startswith(
        "intervals and p-values of a : c (raters 1, 2) are clustered by case alone and hold for these raters: "
    )
    assert found.notes[0].endswith("what differs between pairs may be what differs between raters")
    assert found.notes[1].startswith("exact intervals and p-values over cases")
    assert [pair["raters"] for pair in found.to_dict()["pairs"]] == [[1, 2, 3, 4, 5, 6], [1, 2]]


def test_raters_who_each_have_a_pair_of_their_own_are_not_taken_for_three() -> None:
    ratings = [
        rating("left" if case % 3 else "right", f"{pair} {case}", rater, models=pair)
        for rater, pair in enumerate(((0, 1), (0, 2), (1, 2)))
        for case in range(12)
    ]
    [note] = report(ratings, ("a", "b", "c"), planned=1).notes
    assert "of a : b (rater 1); a : c (rater 2); b : c (rater 3) are clustered by case alone" in note


def test_a_part_of_the_ratings_with_fewer_raters_is_marked() -> None:
    """Six raters, two of them on CT; the grades of the reasoning are by two raters."""
    ratings = [
        rating(
            "left" if case % 3 else "right", str(case), rater,
            modality="CT_SCAN" if case < 12 else "X_RAY", grades=("good", "good") if rater < 2 else ("", ""),
        )
        for case in range(24)
        for rater in range(2 if case < 12 else 6)
    ]  # fmt: skip
    tables = {table.title.partition(" (")[0]: table for table in report(ratings).tables()}
    modality = tables["First preferred, by modality"]
    assert [row[3].endswith(", these raters") for row in modality.rows] == [True, False]
    assert tables["Reasoning, in grades"].title.endswith("(95 % intervals, clustered by case)")


def test_the_share_of_a_modality_stands_beside_the_ratings_that_it_is_of() -> None:
    said = {"CT_SCAN": ("left", "left", "tie", "neither"), "X_RAY": ("right", "left", "left", "tie")}
    ratings = [
        rating(one, f"{name} {n}", modality=name) for name, choices in said.items() for n, one in enumerate(choices)
    ]
    (table,) = [one for one in report(ratings).tables() if one.title.startswith("First preferred, by modality")]
    assert [(row[:3], row[3].partition(" (")[0]) for row in table.rows] == [
        (["CT_SCAN", "4", "2"], "100.0 %"),
        (["X_RAY", "4", "3"], "66.7 %"),
    ]


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
