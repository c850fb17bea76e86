"""Errors and help of the parser of specs."""

from pathlib import Path

import pytest

from medix.cli import MedixCLI
from medix.spec_parser import SpecParser


def test_a_wrong_value_is_told_with_its_place_whatever_folder_the_parser_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """jsonargparse reads a spec, and calls ``error``, inside the folder of the spec."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "over.yaml").write_text("model:\n  prompting: {max_pixels: big}\n")
    monkeypatch.chdir(tmp_path)
    SpecParser.reads(["--config", "mine/over.yaml"])
    monkeypatch.chdir(tmp_path / "mine")
    with pytest.raises(SystemExit) as ended:
        SpecParser().error("Parser key \"max_pixels\":\n  Expected a <class 'int'>\n  Given value: big")
    assert ended.value.code == 2
    assert "mine/over.yaml, line 2: model.prompting.max_pixels: big" in capsys.readouterr().err
    assert Path.cwd() == tmp_path / "mine"


def test_a_command_has_a_usage_of_one_line_and_its_own_description() -> None:
    described = SpecParser(prog="medix fit").format_help()
    assert described.startswith("usage: python -m medix fit --config SPEC [--KEY VALUE ...]\n")
    assert (MedixCLI.fit.__doc__ or "?").splitlines()[0] in described
    assert "--config SPEC" not in SpecParser(prog="medix other").format_help()
