"""The database of a study."""

import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from medix.studies.preference.database import NotThereError, StudyDatabase
from medix.studies.preference.design import ComparedPair
from tests.support.runs import ROOT
from tests.support.studies import line, new_study, open_study, picture, shade, write_lines


@pytest.fixture
def study(tmp_path: Path) -> Iterator[StudyDatabase]:
    """Six samples, two models, two raters, one repeat."""
    database, _ = open_study(tmp_path, repeats=1)
    yield database
    database.close()


def choices(database: StudyDatabase) -> list[str]:
    return [rating.choice for rating in database.ratings()]


def test_tokens_open_the_study_of_their_rater_and_are_kept_nowhere(tmp_path: Path) -> None:
    database, tokens = open_study(tmp_path)
    assert [database.rater(token) for token in tokens] == [0, 1]
    held = (tmp_path / "study.db").read_bytes()
    assert not any(token.encode() in held for token in tokens)
    for wrong in ("", tokens[0][:-1], tokens[0] + "x", tokens[0].swapcase(), "\ud800"):
        with pytest.raises(NotThereError):
            database.rater(wrong)
    assert stat.S_IMODE((tmp_path / "study.db").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("cases", "models", "met"),
    [
        ("pppppp", 3, 3),  # each of three pairs meets the one case, in two of its six samples
        ("abcdef", 3, 6),  # six samples of their own, one pair on each
        ("pppppq", 2, 2),
        ("ppqqqq", 3, None),
    ],
)
def test_the_cases_that_a_pair_of_models_meets_are_counted_by_pair(
    tmp_path: Path, cases: str, models: int, met: int | None
) -> None:
    made = new_study(tmp_path, len(cases), models)
    for path in made.files:
        rows = [json.loads(text) for text in path.read_text().splitlines()]
        write_lines(path, [{**row, "case": case} for row, case in zip(rows, cases, strict=True)])
    made.create(tmp_path / "study.db")
    with closing(StudyDatabase(tmp_path / "study.db")) as database:
        compared = sqlite3.connect(tmp_path / "study.db").execute(
            "SELECT first, second, identity FROM comparisons c JOIN samples s ON s.number = c.sample"
        )
        by_hand = {(first, second, cases[int(json.loads(name)[1][1:])]) for first, second, name in compared}
        found = sum(pair.cases for pair in database.pairs)
        assert found == len(by_hand)
        assert met in (None, found)


def test_what_each_pair_of_models_gets_is_counted_as_it_was_dealt(tmp_path: Path) -> None:
    """Seven samples, three pairs, two shared: the third pair has two comparisons, one of each rater."""
    new_study(tmp_path, 7, 3, overlap=2, repeats=1).create(tmp_path / "study.db")
    with closing(StudyDatabase(tmp_path / "study.db")) as database:
        assert database.pairs == [ComparedPair(3, 3, 1, 2), ComparedPair(2, 2, 1, 2), ComparedPair(2, 2, 0, 2)]
        database._connection.execute(  # as a study of an earlier deal: each rater has pairs of one's own
            "UPDATE assignments SET rater = 0, place = 100 + number WHERE comparison IN "
            "(SELECT number FROM comparisons WHERE first = 1)"
        )
        assert database.pairs[2] == ComparedPair(2, 2, 0, 1)


def test_a_renewed_token_replaces_the_old_one(study: StudyDatabase, tmp_path: Path) -> None:
    new = study.renew(1)
    assert study.rater(new) == 1
    assert study.rater(study.renew(1)) == 1
    with pytest.raises(NotThereError):
        study.rater(new)
    with pytest.raises(ValueError, match="--renew 3: raters are numbered from 1 to 2"):
        study.renew(2)


def test_an_item_shows_both_answers_on_their_sides_and_nothing_about_models(study: StudyDatabase) -> None:
    sides = set()
    for place in range(5):
        item = study.item(0, place)
        assert item.keys() == {"question", "images", "left", "right", "said"}
        name = item["question"].removeprefix("Which side, ").removesuffix("?")
        assert {item["left"]["answer"], item["right"]["answer"]} == {f"A {name}", f"B {name}"}
        assert item["left"]["reasoning"] == f"Seen in {name}: {item['left']['answer']}."
        assert study.image(0, place, 0).startswith(b"\x89PNG")
        sides.add(item["left"]["answer"][0])
    assert sides == {"A", "B"}
    first, again = study.item(0, 0), study.item(0, 4)
    assert (first["left"], first["right"]) == (again["right"], again["left"])


def test_what_is_not_there_is_told(study: StudyDatabase) -> None:
    for place in (-(10**30), -1, 5, 2**31, 2**80):
        with pytest.raises(NotThereError):
            study.item(0, place)
        with pytest.raises(NotThereError):
            study.save(0, place, "choice", "tie")
    for index in (-1, 1):
        with pytest.raises(NotThereError):
            study.image(0, 0, index)


def test_the_last_click_counts_and_every_change_is_kept(study: StudyDatabase) -> None:
    for value in ("left", "left", "tie", "right"):
        study.save(0, 1, "choice", value)
    study.save(0, 1, "comment", "why\x1b[2J \ud800")
    study.save(0, 1, "left_reasoning", "good")
    assert study.item(0, 1)["said"] == {"choice": "right", "comment": "why␛[2J [U+D800]", "left_reasoning": "good"}
    assert study.decided(0) == [False, True, False, False, False]
    assert study.decided(1) == [False] * 5
    [found] = study.ratings()
    assert found.grades == (("", "good") if found.is_swapped else ("good", ""))
    clicks = study._rows("SELECT value FROM clicks WHERE field = 'choice' ORDER BY number")
    assert clicks == [("left",), ("tie",), ("right",)]  # the second click on the same button says nothing new


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("choice", "both"), ("choice", ""), ("left_reasoning", "fair"), ("shown", ""), ("rater", "1"),
        ("comment", "x" * 4001),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(study: StudyDatabase, field: str, value: str) -> None:
    with pytest.raises(ValueError, match="cannot be saved"):
        study.save(0, 0, field, value)
    assert study.item(0, 0)["said"] == {}


def test_a_rating_knows_what_it_is_about(tmp_path: Path) -> None:
    database, _ = open_study(tmp_path, repeats=1)
    for rater in (0, 1):
        for place in range(5):
            database.note_shown(rater, place)
            left = database.item(rater, place)["left"]["answer"]
            database.save(rater, place, "choice", "left" if left.startswith("B") else "right")
    found = database.ratings()
    assert [one.rater for one in found] == [0] * 5 + [1] * 5
    assert {one.winner for one in found} == {1}
    assert [one.is_repeat for one in found] == [False, False, False, False, True] * 2
    assert found[0].cluster == ("d", "sample", found[0].sample[1])
    assert all(0 <= one.seconds < 60 for one in found)


def test_hostile_texts_come_back_as_they_are_shown(tmp_path: Path) -> None:
    bad = "\ud800 \u202e </script>\0"
    rows = [line("s0", f"{letter}{bad}", question=f"q{bad}", dataset=bad, case=bad, modality=bad) for letter in "AB"]
    study = new_study(tmp_path, 1, overlap=1)
    for path, row in zip(study.files, rows, strict=True):
        write_lines(path, [row])
    study.create(tmp_path / "s.db")
    database = StudyDatabase(tmp_path / "s.db")
    assert database.item(0, 0)["question"] == "q[U+D800] [U+202E] </script>␀"
    database.save(0, 0, "choice", "tie")
    assert database.ratings()[0].sample == (bad, "s0")


def test_images_that_samples_share_are_held_once(tmp_path: Path) -> None:
    study = new_study(tmp_path, 3)
    same = line("s0")
    for path, letter in zip(study.files, "AB", strict=True):
        shared = {"images": same["images"], "image_ids": same["image_ids"]}
        write_lines(path, [line(f"s{number}", letter, **shared) for number in range(3)])
    study.create(tmp_path / "s.db")
    database = StudyDatabase(tmp_path / "s.db")
    assert database._rows("SELECT COUNT(*) FROM images") == [(1,)]
    assert picture(shade("s0")) != database.image(0, 0, 0)  # encoded anew


def test_threads_and_two_connections_lose_no_click(tmp_path: Path) -> None:
    first, _ = open_study(tmp_path, count=40, overlap=0)
    second = StudyDatabase(tmp_path / "study.db")

    def rate(database: StudyDatabase, rater: int) -> None:
        for place in range(20):
            database.save(rater, place, "choice", "tie")

    threads = [threading.Thread(target=rate, args=pair) for pair in ((first, 0), (first, 1), (second, 0), (second, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(first.decided(0) + second.decided(1))
    assert first._rows("SELECT COUNT(*) FROM clicks WHERE field = 'choice'") == [(40,)]


CLICKS = """
import sys
from pathlib import Path
from medix.studies.preference.database import StudyDatabase
database = StudyDatabase(Path(sys.argv[1]))
for number in range(10**6):
    database.save(0, number % 4, "comment", str(number))
    print(number, flush=True)
"""


def test_a_process_killed_while_it_writes_loses_nothing_that_it_has_acknowledged(tmp_path: Path) -> None:
    draw = random.Random(1)
    open_study(tmp_path)[0].close()
    path = tmp_path / "study.db"
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", CLICKS, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        last = -1
        for _ in range(draw.randrange(20, 60)):
            last = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().splitlines()
        process.wait()
        last = int(rest[-1]) if rest else last
        database = StudyDatabase(path)
        assert database._rows("PRAGMA integrity_check") == [("ok",)]
        said = int(database.item(0, last % 4)["said"]["comment"])
        assert said in (last, last + 4)  # the click after it may have been written and not yet told
        database.close()


def test_a_study_that_was_not_finished_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medix.studies.preference.database._fill", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        open_study(tmp_path)
    assert not (tmp_path / "study.db").exists()
    monkeypatch.undo()
    assert open_study(tmp_path)[0].raters == 2


@pytest.mark.parametrize("content", [b"", b"text", b"SQLite format 3\0"])
def test_a_file_that_is_no_study_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.db").write_bytes(content)
    with pytest.raises(ValueError, match=r"is no study .*name the --output of study serve"):
        StudyDatabase(tmp_path / "s.db")
    assert (tmp_path / "s.db").read_bytes() == content
    with pytest.raises(FileNotFoundError):
        StudyDatabase(tmp_path / "gone.db")


def test_a_study_of_another_version_is_told(study: StudyDatabase) -> None:
    study._connection.execute("""UPDATE study SET facts = '{"version": 2}'""")
    with pytest.raises(ValueError, match="is a study of version 2, and this medix reads version 1"):
        StudyDatabase(study.path)
    assert sqlite3.connect(study.path).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
