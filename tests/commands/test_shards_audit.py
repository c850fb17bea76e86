"""``python -m medix shards audit``."""

import json
from pathlib import Path

import pytest
import yaml

from medix.rewards import encoder
from tests.audit.conftest import planted as planted
from tests.audit.conftest import planted_samples
from tests.commands.conftest import shards
from tests.support.encoders import WordEncoder


def test_the_page_the_numbers_and_the_proposals_are_written(
    planted: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task file of one's own, whose only item is a question of the data."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(encoder, "SentenceEncoder", lambda name: WordEncoder())
    train, val = planted
    question = planted_samples()[0][0].question
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.jsonl").write_text(json.dumps({"q": question, "a": "left"}) + "\n")
    columns = {"question": "q", "answer": "a"}
    spec = {"about": "x", "data": {"local": ["mine/mine.jsonl"], "columns": columns}, "scoring": "binary",
            "cluster": "item", "licence": "CC0-1.0"}  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(spec))
    words = [
        "audit",
        str(train),
        "--against",
        str(val),
        "--tasks",
        str(tmp_path / "mine.yaml"),
        "--data",
        str(tmp_path),
    ]
    assert shards([*words, "--output", str(tmp_path / "out")]) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["aliases.yaml", "audit.html", "audit.json"]
    data = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert data["findings"]["pairs of images across splits"] == 2
    assert [task["task"] for task in data["leakage"]] == ["mine"]
    shown = capsys.readouterr().out
    assert "pairs of images across splits" in shown
    assert max(len(line) for line in shown.splitlines() if "audit.html" not in line) <= 80


def test_data_without_a_finding_is_status_0_and_no_encoder_writes_no_proposals(tmp_path: Path) -> None:
    shards(["build", "--phantoms", "10", "--output", str(tmp_path / "p"), "--name", "p"])
    assert shards(["audit", str(tmp_path / "p"), "--encoder", "none", "--output", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["audit.html", "audit.json"]


def test_mistakes_are_one_line_and_write_nothing(
    planted: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["audit", str(planted[0]), "--encoder", "none", "--output", str(tmp_path / "out")]
    monkeypatch.setattr(encoder.SentenceEncoder, "encode", _fails)
    capsys.readouterr()
    for more, told in (
        (["--against", str(planted[0])], "is audited itself"),
        (["--tasks", "nothing"], "is no task"),
        (["--tasks", "medqa", "--data", str(tmp_path)], "holds none of"),
        (["--workers", "0"], "--workers 0"),
        (["--encoder", "gone"], "--encoder gone: cannot be loaded (no such model)"),
    ):
        assert shards([*words, *more]) == 2
        error = capsys.readouterr().err
        assert told in error
        assert error.startswith("medix shards audit: ")
        assert error.count("\n") == 1
    assert not (tmp_path / "out" / "audit.html").exists()


def _fails(self: encoder.SentenceEncoder, texts: list[str]) -> None:
    raise OSError("no such model")
