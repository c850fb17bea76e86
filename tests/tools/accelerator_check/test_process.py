"""A part in a process: crash, hang and what it lacks are rows."""

import time
from contextlib import suppress
from pathlib import Path

import psutil

from tools.accelerator_check.process import ended, rows

FAKES = "tests.tools.accelerator_check.fakes"


def test_rows_of_a_process_that_ends_well(tmp_path: Path) -> None:
    found = {row.case: row for row in rows("mixed", f"{FAKES}.Mixed", tmp_path / "mixed", 60, tiny=True)}
    assert found["good"].numbers == {"tiny": True, "half": 0.5}
    assert found["bad"].message.startswith("a line of the failing case\n"), "what the case printed, and no other"
    assert found["absent"].outcome == "absent"
    assert len(found) == 6


def test_a_crash_is_a_row_and_keeps_those_before(tmp_path: Path) -> None:
    good, dies = rows("dies", f"{FAKES}.Dies", tmp_path / "dies", 60, tiny=True)
    assert good.outcome == "proven"
    assert (dies.case, dies.outcome) == ("dies", "failed")
    assert dies.message.startswith("about to die\n")
    assert dies.message.endswith("the process ended with status -6; later cases were not tried")


def test_a_hang_is_a_row_that_says_where_and_leaves_no_process(tmp_path: Path) -> None:
    (row,) = rows("hangs", f"{FAKES}.Hangs", tmp_path / "hangs", 3, tiny=True)
    assert (row.case, row.outcome) == ("hangs", "failed")
    assert "in hangs" in row.message
    child = int((tmp_path / "hangs" / "child").read_text())
    with suppress(psutil.NoSuchProcess):  # it was killed, and may be a moment in ending
        while psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)


def test_a_process_that_cannot_be_ended_otherwise_is_killed(tmp_path: Path) -> None:
    (row,) = ended("part", tmp_path, None)
    assert row.message == "the process was killed after its time; later cases were not tried"


def test_a_part_whose_package_is_absent_is_one_row(tmp_path: Path) -> None:
    (row,) = rows("lacks", f"{FAKES}.Lacks", tmp_path / "lacks", 60, tiny=True)
    assert (row.outcome, row.message) == ("absent", "No module named 'lightning'")


def test_a_fault_of_our_own_is_no_absence(tmp_path: Path) -> None:
    (row,) = rows("gone", "tools.accelerator_check.gone.Gone", tmp_path / "gone", 60, tiny=True)
    assert row.outcome == "failed"
    assert "No module named 'tools.accelerator_check.gone'" in row.message
