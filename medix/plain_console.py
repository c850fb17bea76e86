"""The console of commands and reports: what strangers wrote is shown on it and does not steer the terminal."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from medix.visible_text import visible


class PlainConsole(Console):
    """rich's console without markup, in which control characters of any text are made visible.

    rich itself lets ESC through, with which a data set's name could clear the screen, retitle the window or write
    into the clipboard.

    Args:
        arguments: as of ``rich.console.Console``.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(markup=False, emoji=False, **arguments)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """As rich does it; only its own sequences are sent as they are."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text))
