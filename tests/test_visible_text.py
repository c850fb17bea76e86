import logging
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.visible_text import tell, visible, visible_messages


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", "\N{SYMBOL FOR ESCAPE}[31mred\N{SYMBOL FOR BELL}"),
        ("a\u202eb\u2069", "a[U+202E]b[U+2069]"),
        ("\x7f\x9b\ud83d", "\N{SYMBOL FOR DELETE}[U+009B][U+D83D]"),
        ("שמאל\u200f, left\n\t\u064a\u0645\u064a\u0646\u2028", "שמאל\u200f, left\n\t\u064a\u0645\u064a\u0646\u2028"),
    ],
)
def test_what_steers_the_display_is_shown_and_other_text_stays(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_shown_text_is_printable_on_any_terminal_and_shown_once(text: str) -> None:
    assert visible(visible(text)) == visible(text)
    assert "\x1b" not in visible(text).encode("utf-8").decode()


def test_a_line_of_a_command_is_told_visibly(capsys: pytest.CaptureFixture[str]) -> None:
    tell("to\x1b[2J")
    tell("error\x1b[2J", sys.stderr)
    assert capsys.readouterr() == ("to\N{SYMBOL FOR ESCAPE}[2J\n", "error\N{SYMBOL FOR ESCAPE}[2J\n")


def test_warnings_and_log_messages_are_printed_visibly_and_nothing_is_left_behind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler = logging.lastResort
    assert handler is not None
    before = (warnings.formatwarning, handler.formatter)
    with visible_messages():
        shown = warnings.formatwarning("a server said \x1b[2J", UserWarning, "served.py", 1)
        handler.handle(logging.LogRecord("medix", logging.WARNING, "", 0, "a shard is named %s", ("\x1b[2J",), None))
    assert "UserWarning: a server said \N{SYMBOL FOR ESCAPE}[2J" in shown
    assert capsys.readouterr().err == "a shard is named \N{SYMBOL FOR ESCAPE}[2J\n"
    assert (warnings.formatwarning, handler.formatter) == before
