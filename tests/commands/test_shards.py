from pathlib import Path

import pytest

from medix.data.manifest import read_manifests
from tests.commands.conftest import SAID, shards


def test_build_verify_and_show_a_data_set(jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert shards(["build", "--jsonl", str(jsonl_rows), "--output", str(out), "--name", "mine", *SAID]) == 0
    manifests = read_manifests([out])
    assert [(m.name, m.modality, m.samples) for m in manifests] == [
        ("mine", "CT_SCAN", 2), ("mine", "MRI_SCAN", 1), ("mine", "TEXT_ONLY", 1),
    ]  # fmt: skip
    assert shards(["verify", str(out)]) == 0
    assert "3 of 3 shards are good, 4 samples listed" in capsys.readouterr().out
    assert shards(["show", str(out), "--samples", "1", "--images", str(tmp_path / "sheets")]) == 0


def test_a_mistake_is_one_line_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shards(["verify", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("medix shards verify: ")
    assert shards(["build", "--output", str(tmp_path)]) == 2


def test_names_that_look_like_markup_are_shown_as_they_are(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    content = jsonl_rows.read_text().replace('"source": "s"', '"source": "[/b]"')
    jsonl_rows.write_text(content)
    out = tmp_path / "[i]" / "out"
    assert shards(["build", "--jsonl", str(jsonl_rows), "--output", str(out), "--dataset", "[/x][bold]y", *SAID]) == 0
    for words in (["show"], ["verify"], ["index"]):
        assert shards([*words, str(out / "*.yaml").replace("[i]", "[[]i]")]) == 0
    shown = capsys.readouterr().out
    assert "[/x][bold]y" in shown
    assert "[/b]" in shown
