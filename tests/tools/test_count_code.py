"""Lines of code, counted by hand."""

from pathlib import Path

import pytest

from tools import count_code
from tools.count_code import count, lines_of_code

SOURCE = '''"""A docstring of
two lines."""

import os  # with a comment

# a comment
LIMIT = 3
"""What the limit is for."""


def read(
    path: str,
) -> str:
    """Read."""
    text = """two

    lines of data"""
    return text
'''


def test_comments_docstrings_and_blank_lines_do_not_count() -> None:
    """Code: import, LIMIT, three lines of the signature, three of the string (its empty one is data), return: 9."""
    assert lines_of_code(SOURCE) == 9
    assert lines_of_code('"""Only a docstring."""\n') == 0
    assert lines_of_code("") == 0


def test_links_tests_and_other_files_do_not_count(tmp_path: Path) -> None:
    """medix 9, medix/judge 1, callbacks 2 (once, although medix/callbacks leads there)."""
    for name, text in {
        "medix/a.py": SOURCE,
        "medix/judge/b.py": "x = 1\n",
        "callbacks/c.py": "x = 1\n\ny = 2\n",
        "medix/judge/notes.md": "x = 1\n",
        "tests/test_a.py": "x = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "medix/callbacks").symlink_to("../callbacks")
    assert count(tmp_path) == {"medix": 9, "medix/judge": 1, "callbacks": 2}


def test_the_command_prints_folders_and_total(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["count_code"])
    monkeypatch.setattr(count_code, "count", lambda root: {"medix/judge": 1200, "callbacks": 34})
    count_code.main()
    assert capsys.readouterr().out.split("\n") == ["     34  callbacks", "  1,200  medix/judge", "  1,234  total", ""]
