"""Rows of a part: each outcome, and what a failure says."""

from pathlib import Path

import torch

from tests.tools.accelerator_check.fakes import Mixed
from tools.accelerator_check.machine import Machine
from tools.accelerator_check.part import LINES, Row, tail


def test_every_case_is_a_row_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    rows: list[Row] = []
    log = tmp_path / "log"
    log.write_text("of the case before\n")

    def keep(row: Row) -> None:
        rows.append(row)
        if row.case == "bad" and row.outcome == "running":
            return
        with log.open("a") as opened:
            opened.write(f"after {row.case}\n")

    Mixed(tmp_path).run("mixed", keep, log)
    assert [row.case for row in rows[::2]] == [row.case for row in rows[1::2]]
    assert {row.outcome for row in rows[::2]} == {"running"}
    ended = {row.case: row for row in rows[1::2]}
    assert {case: row.outcome for case, row in ended.items()} == {
        "good": "proven", "bad": "failed", "exits": "failed", "absent": "absent", "foreign": "absent", "own": "failed",
    }  # fmt: skip
    assert ended["good"].numbers == {"tiny": False, "half": 0.5}
    assert ended["bad"].message.endswith("ValueError: seven is not eight")
    assert "in bad" in ended["bad"].message
    assert "of the case before" not in ended["bad"].message
    assert ended["absent"].message == "needs a GPU"
    assert ended["foreign"].message == "No module named 'no_such_package'"


def test_a_part_is_tiny_without_an_accelerator(tmp_path: Path) -> None:
    part = Machine(tmp_path)
    assert part.tiny or torch.accelerator.is_available()
    assert Machine(tmp_path, tiny=True).tiny


def test_the_tail_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert tail(path) == tail(None) == ""
    path.write_bytes(b"\xff\n" + b"".join(b"%d\n" % number for number in range(100)))
    assert tail(path).splitlines() == [str(number) for number in range(100 - LINES, 100)]
    assert tail(path, path.stat().st_size - 3) == "99"
