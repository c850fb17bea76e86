from pathlib import Path

import pytest

from medix.data.shards import Shard
from tests.commands.conftest import SAID, shards


def test_verify_names_a_damaged_shard_and_fails(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shards(["build", "--jsonl", str(jsonl_rows), "--output", str(out), "--name", "mine", *SAID])
    shard = out / "mine-mri_scan-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-512])
    assert shards(["verify", str(out)]) == 1
    captured = capsys.readouterr()
    assert "mine-mri_scan-000000.tar does not match manifest" in captured.err
    assert "2 of 3 shards are good" in captured.out
    assert "Traceback" not in captured.err


def test_verify_reports_an_id_used_twice(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id is used twice only within one data set: ``three`` is another."""
    for name, dataset in (("one", "mine"), ("two", "mine"), ("three", "other")):
        build = ["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / name), "--name", name]
        shards([*build, "--dataset", dataset, *SAID])
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "200")
    assert shards(["verify", str(tmp_path / "one"), str(tmp_path / "two")]) == 0
    shown = capsys.readouterr().out
    one, two = tmp_path / "one" / "one-text_only.yaml", tmp_path / "two" / "two-text_only.yaml"
    assert f"1 ids of data set 'mine' are both in {one} and in {two}: t" in shown
    one, two = tmp_path / "one" / "one-ct_scan.yaml", tmp_path / "two" / "two-ct_scan.yaml"
    assert f"2 ids of data set 'mine' are both in {one} and in {two}: 0, 2" in shown
    assert shards(["verify", str(tmp_path / "one"), str(tmp_path / "three")]) == 0
    assert "are both in" not in capsys.readouterr().out


def test_verify_reports_an_id_used_twice_in_one_manifest(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``shards build`` refuses such rows; shards of another program may hold them."""
    shards(["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), *SAID])
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(Shard, "__iter__", lambda self: iter([self[0], self[0]]))
    assert shards(["verify", str(tmp_path / "out")]) == 0
    assert "-text_only.yaml: t" in (shown := capsys.readouterr().out)
    assert "1 ids of data set" in shown
    assert "are twice in" in shown
