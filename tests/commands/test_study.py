"""``python -m medix study``."""

import pytest

from medix.__main__ import main


def test_the_help_names_every_action(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {action} " in shown for action in ("plan", "serve", "report"))
    assert main(["study"]) == 2
    assert "an action is missing" in capsys.readouterr().err
