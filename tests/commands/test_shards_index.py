from pathlib import Path

import pytest

from tests.commands.conftest import SAID, shards


def test_an_index_is_written_anew_with_the_same_bytes(jsonl_rows: Path, tmp_path: Path) -> None:
    shards(["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), *SAID])
    indexes = {path: path.read_bytes() for path in (tmp_path / "out").glob("*.index.jsonl")}
    assert len(indexes) == 3
    for path in indexes:
        path.unlink()
    assert shards(["index", str(tmp_path / "out")]) == 0
    assert {path: path.read_bytes() for path in (tmp_path / "out").glob("*.index.jsonl")} == indexes


def test_a_damaged_shard_has_no_index_and_the_others_have_theirs(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards(["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), *SAID])
    for path in (tmp_path / "out").glob("*.index.jsonl"):
        path.unlink()
    shard = next((tmp_path / "out").glob("*ct_scan*.tar"))
    shard.write_bytes(shard.read_bytes()[:2000])
    assert shards(["index", str(tmp_path / "out")]) == 1
    assert "is not written" in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("*.index.jsonl"))) == 2
