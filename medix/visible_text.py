"""Text of strangers for terminals and pages: characters that steer the display are shown and not obeyed."""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

_STEERING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with control characters, overrides of the writing direction and lone surrogates made visible.

    ESC becomes ``␛``, U+202E becomes ``[U+202E]``. Line feeds and tabs stay, and so do the marks (U+200E, U+200F) that
    Arabic and Hebrew texts need.
    """
    return _STEERING.sub(lambda found: _shown(ord(found[0])), text)


def tell(text: str, file: TextIO | None = None) -> None:
    """Print a text of which strangers may have written a part, at once.

    Args:
        text: made visible; may have several lines.
        file: standard output if None.
    """
    print(visible(text), file=file, flush=True)  # in commands, this takes the place of it


@contextmanager
def visible_messages() -> Iterator[None]:
    """Inside, warnings and log messages are printed visibly, but for those of loggers that have handlers."""
    formatted, handler = warnings.formatwarning, logging.lastResort
    warnings.formatwarning = lambda *given, **named: visible(formatted(*given, **named))
    before = None if handler is None else handler.formatter
    if handler is not None:
        handler.setFormatter(_VisibleFormatter())
    try:
        yield
    finally:
        warnings.formatwarning = formatted
        if handler is not None:
            handler.setFormatter(before)


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def visible_value(value: Any) -> Any:
    """What a template shows for a value: a text visibly, anything else, such as markup of our own, as it is."""
    return visible(value) if type(value) is str else value


def _shown(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"[U+{code:04X}]"
