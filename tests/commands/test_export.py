"""``python -m medix export``; what it writes is in tests/export."""

from pathlib import Path

import pytest

from medix.__main__ import main as medix


@pytest.mark.parametrize("spec", [None, Path("mine.yaml")])
def test_the_arguments_are_passed_on(
    spec: Path | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[Path, Path, Path | None]] = []
    monkeypatch.setattr("medix.export.checkpoint.export_checkpoint", lambda *given: seen.append(given))
    words = ["--checkpoint", "step.ckpt", "--output", "out", *([] if spec is None else ["--config", str(spec)])]
    assert medix(["export", *words]) == 0
    assert seen == [(Path("step.ckpt"), Path("out"), spec)]
    assert "medix: wrote out" in capsys.readouterr().out
