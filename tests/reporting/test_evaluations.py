import json
from pathlib import Path
from typing import Any

import pytest

from medix.evaluation.validation import Validation
from medix.reporting.evaluations import (
    BEGIN,
    END,
    began,
    evaluations_table,
    read_evaluations,
    read_report,
    replace_block,
)
from medix.reporting.render import plain
from medix.reporting.table import MISSING
from tests.reporting.test_render import _records


def _result(split: str, written: str, exchanged: bool = False) -> dict[str, Any]:
    found = Validation.of(_records("lung", 4), step=4, split=split, judge="j").to_dict()
    data: dict[str, Any] = plain(found | {"written": written, "exchanged": exchanged})
    return data


def test_results_of_this_run_are_read_and_tabulated_with_the_control_marked(tmp_path: Path) -> None:
    results = {
        "validation.json": _result("val", "2026-01-01"),
        "test.json": _result("test", "2026-01-03"),
        "test-exchanged.json": _result("test", "2026-01-04", exchanged=True),
    }
    for name, data in results.items():
        (tmp_path / name).write_text(json.dumps(data))
    (tmp_path / "validation-exchanged.json").write_text("{")
    found = read_evaluations(tmp_path, "2026-01-02")
    assert found == [results["test.json"], results["test-exchanged.json"]]
    table = evaluations_table(found)
    assert table is not None
    assert [row[0] for row in table.rows] == ["test", "test, images exchanged"]
    assert table.rows[0][3].startswith("100.0 %")
    assert table.rows[0][4] == "100.0 % (lung)"
    assert (table.columns[-2:], table.rows[0][-2:]) == (["Judge", "Measured with"], ["j", MISSING])
    marked = [{**found[0], "differences": names} for names in ([], ["other rewards", "other samples"])]
    table = evaluations_table(marked)
    assert table is not None
    assert [row[-1] for row in table.rows] == ["as in training", "other rewards, other samples"]


def test_without_results_there_is_no_table(tmp_path: Path) -> None:
    assert evaluations_table(read_evaluations(tmp_path, "")) is None


@pytest.mark.parametrize("report", ["", "{}", '{"run": 3}', "[" * 99_999, '{"run": {"Began": "2026"}}'])
def test_a_run_without_a_known_beginning_has_no_results(tmp_path: Path, report: str) -> None:
    (tmp_path / "report.json").write_text(report)
    (tmp_path / "test.json").write_text(json.dumps(_result("test", "2026-01-03")))
    assert len(read_evaluations(tmp_path, began(read_report(tmp_path)))) == (1 if "Began" in report else 0)


def test_a_block_is_replaced_and_a_file_without_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    replace_block(path, "new")
    assert not path.exists()
    for text, after in ((f"a {BEGIN}old{END} b", f"a {BEGIN}new{END} b"), ("an old report", "an old report")):
        path.write_text(text)
        replace_block(path, "new")
        assert path.read_text() == after
