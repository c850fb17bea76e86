"""Databases of studies that were edited by hand, or damaged."""

from pathlib import Path

import pytest

from medix.__main__ import main
from medix.studies.preference.database import StudyDatabase
from tests.support.studies import open_study


def edited(folder: Path, statement: str) -> Path:
    """A study of six samples, of which each rater sees two again, with some clicks, after one statement."""
    database, _ = open_study(folder, repeats=2)
    database.note_shown(0, 0)
    database.save(0, 0, "choice", "left")
    database.save(0, 0, "comment", "\ud800 blurred")
    database.save(1, 0, "left_reasoning", "good")
    StudyDatabase(database.path).close()  # a study as it is written passes
    database._connection.execute(statement)
    database.close()
    return folder / "study.db"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE clicks SET value = 'both' WHERE field = 'choice'",
         "table clicks, row 2: value 'both' is not one of left, right, tie, neither"),
        ("UPDATE clicks SET value = 'fair' WHERE field = 'left_reasoning'", "row 4: value 'fair' is not one of unacc"),
        ("UPDATE clicks SET value = x'00' WHERE field = 'comment'", "row 3: value b'\\x00' is not a text"),
        ("UPDATE clicks SET field = 'chosen' WHERE field = 'choice'", "row 2: field 'chosen' is not one of choice, "),
        ("UPDATE clicks SET at = 'noon' WHERE number = 1", "table clicks, row 1: at 'noon' is not a time"),
        ("UPDATE clicks SET at = 9e999 WHERE number = 1", "table clicks, row 1: at inf is not a time"),
        ("UPDATE assignments SET comparison = (SELECT comparison FROM assignments WHERE number = 1) WHERE number = 3",
         "table assignments, row 3: is_repeat 0 is not whether rater 0 has had comparison "),
        ("UPDATE assignments SET is_repeat = 1 WHERE number = 1",
         "row 1: is_repeat 1 is not whether rater 0 has had comparison "),
        ("UPDATE assignments SET is_repeat = 0 WHERE number = 5",
         "row 5: is_repeat 0 is not whether rater 0 has had comparison "),
        ("UPDATE assignments SET is_swapped = 1 - is_swapped WHERE number = 5",
         " is not the other side than when rater 0 had comparison "),
        ("UPDATE assignments SET comparison = (SELECT comparison FROM assignments WHERE number = 5), is_repeat = 1 "
         "WHERE number = 6", " is not another: rater 0 has had it twice"),
        ("UPDATE study SET facts = json_remove(facts, '$.overlap')", "facts, overlap None is not a number, 0 or more"),
        ("UPDATE clicks SET assignment = 99 WHERE number = 1", "row 1: assignment 99 is not a row of assignments"),
        ("DELETE FROM samples WHERE number = 2", "sample 2 is not a row of samples"),
        ("INSERT INTO comparisons VALUES (9, 0, 0, 1)", "table comparisons has 7 rows, and the study was made with 6"),
        ("UPDATE comparisons SET second = 2 WHERE number = 1", "row 1: first, second (0, 2) is not two models"),
        ("DELETE FROM raters WHERE number = 1", "table assignments, row 7: rater 1 is not a row of raters"),
        ("INSERT INTO raters VALUES (7, 'x')", "table raters, row 7: number 7 is not the next rater, 2"),
        ("DELETE FROM assignments WHERE rater = 0 AND place = 2", "place 3 is not the next of rater 0, 2"),
        ("UPDATE assignments SET is_swapped = 'yes' WHERE number = 3", "row 3: is_swapped 'yes' is not 0 or 1"),
        ("UPDATE samples SET cluster = 'torn' WHERE number = 3", "table samples, row 3: cluster 'torn' is not data s"),
        ("UPDATE samples SET cluster = '[]' WHERE number = 3", "table samples, row 3: cluster '[]' is not data s"),
        ("UPDATE samples SET identity = '[1, 2]' WHERE number = 3", "row 3: identity '[1, 2]' is not data set and"),
        ("UPDATE samples SET shown = '[]' WHERE number = 3", "row 3: shown '[]' is not the answer and the reason"),
        ("UPDATE samples SET images = '[99]' WHERE number = 3", "row 3: images '[99]' is not rows of images"),
        ("UPDATE images SET png = 'x' WHERE number = 0", "table images, row 0: png 'text' is not a PNG"),
        ("UPDATE study SET facts = json_remove(facts, '$.models')", "facts, models None is not two or more names"),
        ("UPDATE study SET facts = json_remove(facts, '$.cases')", "facts, cases None is not a number, 0 or more"),
        ("UPDATE study SET facts = json_remove(facts, '$.left_out')", "facts, left_out None is not numbers by reason"),
        ("DROP VIEW latest", "it has no view latest"),
        ("DROP TABLE clicks", "it has no table clicks"),
        ("ALTER TABLE samples RENAME COLUMN modality TO kind", "table samples lacks modality"),
    ],
)  # fmt: skip
def test_what_no_study_holds_is_named_with_its_place(tmp_path: Path, statement: str, told: str) -> None:
    path = edited(tmp_path, statement)
    with pytest.raises(ValueError, match=r"was edited or damaged: .*; put a copy") as caught:
        StudyDatabase(path)
    assert told in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_the_report_of_an_edited_study_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = edited(tmp_path, "UPDATE clicks SET value = 'both' WHERE field = 'choice'")
    assert main(["study", "report", str(path)]) == 2
    assert f"{path}: was edited or damaged: table clicks, row 2: " in capsys.readouterr().err
