import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.visible_text import visible


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
