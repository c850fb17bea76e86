"""The tables of a run card."""

from medix.studies.checksums import FileChecksum
from medix.studies.run_card_tables import tables


def test_ten_steps_of_many_are_shown_with_the_first_and_the_last() -> None:
    steps = [{"step": float(step), "reward/total": step / 100} for step in range(1, 101)]
    found = {table.title: table for table in tables({"steps": steps}, {}, [], [], [])}
    curves = found["Curves (10 of 100 steps)"]
    assert list(curves.columns) == ["Step", "Reward"]
    assert [row[0] for row in curves.rows] == ["1", "12", "23", "34", "45", "56", "67", "78", "89", "100"]
    assert curves.rows[1][1] == "0.12"


def test_a_run_without_anything_has_empty_tables_of_data_and_files() -> None:
    found = list(tables({}, {"train": "cannot be read"}, [], [], []))
    assert [(table.title, list(table.rows)) for table in found] == [("Data", []), ("Files", [])]


def test_files_stand_with_their_checksums() -> None:
    *_, files = tables({}, {}, [], [], [FileChecksum("spec.yaml", 9, "ab")])
    assert files.rows == [["spec.yaml", "9", "ab"]]


def test_rates_on_canaries_stand_with_the_judge_and_what_it_gave() -> None:
    rate = {"wrong": 1, "scored": 4, "rate": 0.25, "unscored": 0}
    rates = {"version": "canaries/3", "false_positive": rate, "false_negative": rate}
    given = [
        {**rates, "judge": "a/1", "uses": ["accuracy", "rewards"], "file": "canaries.json"},
        {**rates, "judge": "b/1", "uses": [], "file": "canaries-step-000004.json"},
    ]
    titles = [table.title for table in tables({}, {}, given, [], [])]
    assert titles[1:3] == [
        "Judge a/1 on canaries/3 (gave the accuracy and rewards; canaries.json)",
        "Judge b/1 on canaries/3 (gave nothing that is told here; canaries-step-000004.json)",
    ]


def test_canaries_without_a_verdict_are_told_with_their_share() -> None:
    some = {"wrong": 1, "scored": 3, "rate": 1 / 3, "unscored": 1}
    none = {"wrong": 0, "scored": 0, "rate": None, "unscored": 0}
    rates = {"version": "v", "judge": "a", "uses": [], "file": "f", "false_positive": some, "false_negative": none}
    rows = list(tables({}, {}, [rates], [], []))[1].rows
    assert rows == [
        ["Wrong answers accepted", "1 of 3", "33.3 %", "1 of 4 (25.0 %)"],
        ["Right answers rejected", "0 of 0", "\u2013", "\u2013"],
    ]
