import os
from pathlib import Path

import pytest

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


def test_verify_does_not_wait_for_a_pipe(jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    shards(["build", "--jsonl", str(jsonl_rows), "--output", str(out), "--name", "mine", *SAID])
    shard = out / "mine-mri_scan-000000.tar"
    shard.unlink()
    os.mkfifo(shard)
    assert shards(["verify", str(out)]) == 1
    captured = capsys.readouterr()
    assert "found no regular file" in captured.err
    assert "2 of 3 shards are good" in captured.out


def test_verify_reports_an_id_used_twice(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id is used twice only within one data set: ``three`` is another."""
    for name, dataset in (("one", "mine"), ("two", "mine"), ("three", "other")):
        build = ["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / name), "--name", name]
        shards([*build, "--dataset", dataset, *SAID])
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "200")
    assert shards(["verify", str(tmp_path / "one"), str(tmp_path / "two")]) == 1
    shown = capsys.readouterr().err
    one, two = tmp_path / "one" / "one-text_only.yaml", tmp_path / "two" / "two-text_only.yaml"
    assert f"1 ids of data set 'mine' are both in {one} and in {two}: 't';" in shown
    one, two = tmp_path / "one" / "one-ct_scan.yaml", tmp_path / "two" / "two-ct_scan.yaml"
    assert f"2 ids of data set 'mine' are both in {one} and in {two}: '0', '2';" in shown
    for path in (tmp_path / "three").glob("*.tar"):  # the same bytes would be the same shard
        assert path.read_bytes() == (tmp_path / "one" / path.name.replace("three", "one")).read_bytes()
    assert shards(["verify", str(tmp_path / "one"), str(tmp_path / "three")]) == 1
    shown = capsys.readouterr().err
    assert "are both in" not in shown
    assert shown.count("the same shard is listed 2 times") == 3


def test_verify_of_sound_shards_finds_nothing_and_names_manifests_without_an_index(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards(["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), "--name", "mine", *SAID])
    (tmp_path / "out" / "mine-ct_scan.index.jsonl").unlink()
    capsys.readouterr()
    assert shards(["verify", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "1 manifests have no index: mine-ct_scan.yaml" in captured.out
    assert "samples listed; images were not opened (--decode)" in captured.out
    assert shards(["verify", "--decode", str(tmp_path / "out")]) == 0
    assert "not opened" not in capsys.readouterr().out


def test_verify_names_the_parts_of_a_folder(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has to be given, as everywhere: no command takes parts for training and validation as one by itself."""
    out = tmp_path / "out"
    build = ["build", "--jsonl", str(jsonl_rows), "--output", str(out), *SAID]
    shards([*build, "--name", "mine", "--partition", "train=0.5,val=0.5", "--by", "sample"])
    parts = [str(out / "train"), str(out / "val")]
    for action in ("verify", "show"):
        capsys.readouterr()
        assert shards([action, str(out)]) == 2
        assert f"{out}: has no manifest (*.yaml); give its parts: {' '.join(parts)}\n" in capsys.readouterr().err
    assert shards(["verify", *parts]) == 0
    shards([*build, "--name", "whole", "--dataset", "other"])
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "200")
    shards(["verify", str(out), parts[1]])
    assert f"{out} has parts that were not read; give them, too: {parts[0]}\n" in capsys.readouterr().out
    shards(["verify", str(out), *parts])
    assert "not read" not in capsys.readouterr().out
