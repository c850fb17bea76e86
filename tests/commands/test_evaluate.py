"""``python -m medix eval``: its actions."""

import subprocess
import sys

import pytest

from medix.__main__ import main as medix
from medix.commands.evaluate import WORDS


def test_help_lists_every_action_without_a_heavy_import() -> None:
    code = (
        "import sys\nfrom medix.__main__ import main\n"
        "main(['eval', '--help'])\n"
        "heavy = {'torch', 'aiohttp', 'numpy', 'jsonargparse', 'rich', 'yaml', 'datasets'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for word in WORDS:
        assert f"    {word} " in ended.stdout


@pytest.mark.parametrize("word", WORDS)
def test_every_action_has_help(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert medix(["eval", word, "--help"]) == 0
    assert f"python -m medix eval {word}" in capsys.readouterr().out
