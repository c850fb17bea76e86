"""What a terminal is sent."""

import io

import pytest
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from medix.plain_console import PlainConsole

TITLE = "\x1b]0;owned\x07[bold]\u202e\x9b2J"


def table() -> Table:
    found = Table(TITLE, title=TITLE, caption=TITLE)
    found.add_row(Text(TITLE))
    return found


@pytest.mark.parametrize("shown", [TITLE, Text(TITLE), table(), Panel(TITLE)], ids=["text", "Text", "Table", "Panel"])
def test_sequences_in_a_text_are_shown_and_not_sent(shown: RenderableType) -> None:
    sent = io.StringIO()
    PlainConsole(file=sent, width=60).print(shown)
    assert not set(sent.getvalue()) & set("\x1b\x07\u202e\x9b")
    assert "\N{SYMBOL FOR ESCAPE}]0;owned[bold][U+202E]" in sent.getvalue()  # rich leaves BEL out


def test_colours_of_ours_are_sent() -> None:
    sent = io.StringIO()
    PlainConsole(file=sent, force_terminal=True, color_system="standard").print(Text("a\x1b[2J", style="red"))
    assert sent.getvalue() == "\x1b[31ma\N{SYMBOL FOR ESCAPE}[2J\x1b[0m\n"
