import json
from pathlib import Path

from medix.data.left_out import LeftOut
from medix.data.sources.source import RowError


def test_faults_and_refusals_are_counted_apart_and_each_has_its_line(tmp_path: Path) -> None:
    left_out = LeftOut(tmp_path / "x.jsonl")
    left_out.add("row 1", RowError("key", "\ud83d\x1b[31m", "remedy", "encoding"))
    left_out.add("row 2", RowError("pixels", b"x" * 500, "look", "burned-in", refused=True))
    left_out.close()
    assert (left_out.faults, left_out.refused, left_out.total) == ({"encoding": 1}, {"burned-in": 1}, 2)
    assert left_out.counts == {"encoding": 1, "burned-in": 1}
    first, second = map(json.loads, (tmp_path / "x.jsonl").read_text().splitlines())
    assert (first["where"], first["refused"], first["kind"], first["remedy"]) == ("row 1", False, "encoding", "remedy")
    assert len(second["value"]) == 120
    told = "  row 1: key: '\\ud83d\\x1b[31m'; remedy\n  row 2: pixels: b'xxx"
    assert left_out.examples().startswith(told)
    report = left_out.report("input", "Correct it")
    assert report == "input: 1 faulty row\n  row 1: key: '\\ud83d\\x1b[31m'; remedy\nCorrect it"
