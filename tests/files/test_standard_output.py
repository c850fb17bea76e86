"""Lines on standard output stand there alone, whatever a shell has made of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from medix.files.standard_output import is_standard_output, names_it

PROGRAM = """
import sys
from medix.files import standard_output
from medix.files.atomic_file import check_writable, write_atomically
print("before")
standard_output.keep_for_lines()
standard_output.keep_for_lines()
print("progress")
check_writable("/dev/stdout")
write_atomically("/dev/stdout", "line\\n")
standard_output.give_back()
print("after")
"""
COMMAND = [sys.executable, "-c", PROGRAM]


def test_what_is_printed_meanwhile_goes_to_standard_error() -> None:
    ended = subprocess.run(COMMAND, capture_output=True, text=True, timeout=60, check=True)
    assert (ended.stdout, ended.stderr) == ("before\nline\nafter\n", "progress\n")


def test_a_file_behind_standard_output_is_appended_to_and_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("earlier\n")
    with path.open("ab") as stream:
        subprocess.run(
            [sys.executable, "-c", PROGRAM], stdout=stream, stderr=subprocess.DEVNULL, timeout=60, check=True
        )
    assert path.read_text() == "earlier\nbefore\nline\nafter\n"
    assert [one.name for one in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["predict", "--output", "/dev/stdout"], True),
        (["predict", "--output=/dev/fd/1", "--config", "a"], True),
        (["predict", "--output", "a.jsonl"], False),
        (["predict", "--output"], False),
        (["predict", "--other", "/dev/stdout"], False),
    ],
)
def test_an_option_names_it(words: list[str], expected: bool) -> None:
    assert names_it(words, "--output") is expected
    assert not is_standard_output("/dev/stderr")
