"""Text of strangers for terminals and pages: characters that steer the display are shown and not obeyed."""

import re
from typing import Any

_STEERING = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with control characters, overrides of the writing direction and lone surrogates made visible.

    ESC becomes ``␛``, U+202E becomes ``[U+202E]``. Line feeds and tabs stay, and so do the marks (U+200E, U+200F) that
    Arabic and Hebrew texts need.
    """
    return _STEERING.sub(lambda found: _shown(ord(found[0])), text)


def visible_value(value: Any) -> Any:
    """What a template shows for a value: a text visibly, anything else, such as markup of our own, as it is."""
    return visible(value) if type(value) is str else value


def _shown(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"[U+{code:04X}]"
