"""Files of rows: killed while writing, written twice, damaged."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.row_file import RowFile, exchange


def rows(path: Path) -> list[tuple[str, object]]:
    return [(row["key"], row["value"]) for row in RowFile(path)]


def written(path: Path, *values: object) -> bytes:
    with RowFile(path) as file:
        for number, value in enumerate(values):
            file.append({"key": f"k{number}", "value": value})
    return path.read_bytes()


def test_rows_come_back_in_order_and_the_last_of_a_key_counts(tmp_path: Path) -> None:
    path = tmp_path / "a" / "rows.jsonl"
    written(path, 1, "é\u2028\ud800\n", None)
    written(path, 2)
    assert rows(path) == [("k1", "é\u2028\ud800\n"), ("k2", None), ("k0", 2)]


@given(st.integers(min_value=0, max_value=400))
def test_a_file_cut_anywhere_keeps_every_whole_row_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "rows.jsonl"
    data = written(path, "one", "two\u2028", {"a": [1.5, "ü"]})
    path.write_bytes(data[:cut])
    whole = data[:cut].count(b"\n")
    with RowFile(path) as file:
        assert len(file.rows) == whole
        file.append({"key": "new", "value": 0})
    assert [key for key, _ in rows(path)] == [*(f"k{number}" for number in range(whole)), "new"]
    assert all(json.loads(line) for line in path.read_bytes().split(b"\n") if line)


def test_a_damaged_line_in_the_middle_is_named_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    data = written(path, 1, 2).replace(b'"k0"', b"k0")
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"rows\.jsonl, line 1: is no row of an evaluation: .*; restore the file"):
        RowFile(path)
    assert path.read_bytes() == data


def test_keep_leaves_one_row_for_each_key_and_gives_the_others(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with RowFile(path) as file:
        for key, value in [("a", None), ("b", 1), ("a", 2)]:
            file.append({"key": key, "value": value})
        assert file.keep({"a"}) == [{"key": "b", "value": 1}]
        file.append({"key": "c", "value": 3})
    assert rows(path) == [("a", 2), ("c", 3)]
    before = path.stat().st_mtime_ns
    assert RowFile(path).keep({"a", "c"}) == []
    assert path.stat().st_mtime_ns == before  # nothing to do, nothing written


def test_a_row_that_json_cannot_hold_is_refused(tmp_path: Path) -> None:
    with RowFile(tmp_path / "rows.jsonl") as file, pytest.raises(ValueError, match="not JSON compliant"):
        file.append({"key": "a", "value": float("nan")})


def test_rows_that_are_not_wanted_are_set_aside_and_come_back(tmp_path: Path) -> None:
    with RowFile(tmp_path / "rows.jsonl") as file, RowFile(tmp_path / "others.jsonl") as others:
        for key in "ab":
            file.append({"key": key, "value": key})
        assert exchange(file, others, {"b", "c"}) == 1
        assert set(file.rows) == {"b"}
        assert exchange(file, others, {"a"}) == 1
        assert rows(tmp_path / "rows.jsonl") == [("a", "a")]
        assert {row["key"] for row in others} == {"a", "b"}


def test_a_full_disk_is_told_with_the_file(tmp_path: Path) -> None:
    file = RowFile(tmp_path / "rows.jsonl")
    file.append({"key": "a", "value": 1})
    file._stream.close()
    file._stream = open("/dev/full", "ab")  # noqa: SIM115 - closed below
    for work in (lambda: file.append({"key": "b", "value": 2}), file.close):  # what was not written is tried once more
        with pytest.raises(OSError, match="No space left") as caught:
            work()
        assert caught.value.filename == str(file.path)
    assert rows(file.path) == [("a", 1)]
