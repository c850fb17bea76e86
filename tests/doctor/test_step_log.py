"""The log of one start of a run, up to where a power cut damaged it."""

from pathlib import Path

import pytest

from medix.doctor.step_log import StepLog, logs_in

HEAD = "seconds/step,seconds/update,step,train/ranks,train/tokens_per_second,val/reward\n"
VALIDATION, ONE, TWO = ",,0,,,0.5\n", "5.0,3.0,1,2,20,\n", "6.0,3.0,2,2,25,\n"


def log(folder: Path, content: bytes, name: str = "version_0") -> Path:
    path = folder / "logs" / name / "metrics.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_steps_are_the_rows_with_the_numbers_of_training(tmp_path: Path) -> None:
    found = StepLog.read(log(tmp_path, (HEAD + VALIDATION + ONE + TWO).encode()))
    assert [(row["step"], row["seconds/step"]) for row in found.steps] == [(1, 5.0), (2, 6.0)]
    assert (found.passed_over, found.damage) == (0, "")


@pytest.mark.parametrize("content", ["", HEAD, HEAD + VALIDATION + "\n"])
def test_a_log_without_a_step_is_not_damaged(tmp_path: Path, content: str) -> None:
    assert StepLog.read(log(tmp_path, content.encode())).damage == ""


@pytest.mark.parametrize(
    ("damage", "passed_over"),
    [
        (b"\0" * 200_000, 1),
        (b"\0" * 200_000 + b"\n" + TWO.encode(), 2),
        (b"6.0,\xff\xfe,2,2,25,\n6.0,3", 2),
        (b"6.0,3.0,two,2,25,\n" + TWO.encode() + TWO.encode(), 3),
        (b"6.0,3.0,2\n" + TWO.encode(), 2),
        (b'6.0,"3.0,2,2,25,\n' + TWO.encode(), 2),
        (b"6.0,3.0,2,2,2", 1),
    ],
    ids=["zero bytes", "and a line", "no text", "no number", "part of a line", "quotes", "no end"],
)
def test_a_damaged_log_has_the_steps_before_the_damage_and_counts_the_lines_from_there_on(
    tmp_path: Path, damage: bytes, passed_over: int
) -> None:
    path = log(tmp_path, (HEAD + VALIDATION + ONE).encode() + damage)
    found = StepLog.read(path)
    assert [row["step"] for row in found.steps] == [1]
    count = "1 line" if passed_over == 1 else f"{passed_over} lines"
    assert found.damage == f"{count} of {path} passed over, from the first damaged one on"


@pytest.mark.parametrize("head", [b"\0" * 10, b"\0" * 200_000, b"seconds/step,seconds/upd"])
def test_without_its_header_nothing_can_be_taken(tmp_path: Path, head: bytes) -> None:
    found = StepLog.read(log(tmp_path, head + b"\n" + ONE.encode()))
    assert (found.steps, found.passed_over) == ((), 2)


def test_starts_are_ordered_by_their_numbers_and_other_folders_passed_over(tmp_path: Path) -> None:
    for name in ("version_10", "version_2", "version_old", "mine"):
        log(tmp_path, HEAD.encode(), name)
    assert [one.path.parent.name for one in logs_in(tmp_path)] == ["version_2", "version_10"]
