"""Images that lie in the text of a table or a conversation: base64, alone or in a ``data:`` address."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

MAX_BYTES = 1 << 30
"""Of an image, as of a member of an archive."""

LONGEST_NAME = 1024
"""Characters of a file name with its folders, beyond which a text is none."""

_LONGEST_PART = 255  # bytes between slashes
_SHOWN = 60  # characters of a cell in a message
_ALPHABET = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_STARTS = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR")
"""The first bytes of PNG, JPEG, GIF and WebP; other formats have no files that are shorter than ``_SURELY``."""
_SHORTEST = 48  # characters of an image in base64
_SURELY = 256  # characters without a dot, a space or the like that are too many for a file name


class InlineImageError(ValueError):
    """A text says that it holds an image, and it cannot be taken out; the message does not repeat it."""


def inline_image(text: str) -> bytes | None:
    """The encoded image that a text holds; None for a text that holds none, such as a file name.

    Raises:
        InlineImageError: it is a ``data:`` address or base64 that cannot be decoded, or is too large.
    """
    text = text.strip()
    if text[:5].lower() == "data:":
        head, comma, body = text.partition(",")
        if not comma or not head.lower().rstrip().endswith(";base64"):
            raise InlineImageError("is a data: address that is no base64; write data:image/png;base64,…")
        return decoded(body)
    return decoded(text) if _is_base64(text) else None


def decoded(text: str) -> bytes:
    """The bytes of a text in base64, also of the alphabet for addresses, with line breaks or without padding.

    Raises:
        InlineImageError: it is no base64, holds nothing, or more than ``MAX_BYTES``.
    """
    if len(text) * 3 // 4 > MAX_BYTES:
        raise InlineImageError(f"holds about {len(text) * 3 // 4} bytes, more than {MAX_BYTES}")
    body = "".join(text.split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InlineImageError(f"is no base64 ({error})") from error
    if not data:
        raise InlineImageError("is no base64 (it holds no bytes)")
    return data


def is_name(text: str) -> bool:
    """Whether a text may be the name of a file."""
    if not text.strip() or len(text) > LONGEST_NAME or "\n" in text or text[:5].lower() == "data:" or _is_base64(text):
        return False
    return all(len(part.encode("utf-8", "surrogatepass")) <= _LONGEST_PART for part in text.split("/"))


def holds_inline(text: str) -> bool:
    """Whether a text is an image in base64 or a ``data:`` address."""
    return text.strip()[:11].lower() == "data:image/" or _is_base64(text.strip())


def shown(value: Any) -> str:
    """A cell in a message, where an image is a long text."""
    if isinstance(value, str | bytes):
        return f"{value[:_SHOWN]!r}{'…' if len(value) > _SHOWN else ''}"
    if isinstance(value, Mapping):
        text = ", ".join(f"{key!r}: {shown(one)}" for key, one in list(value.items())[:4])
        return _cut(f"{{{text}}}")
    if isinstance(value, list | tuple):
        return _cut(f"[{', '.join(shown(one) for one in value[:4])}]")
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_base64(text: str) -> bool:
    """Whether a text is base64 rather than a name: it begins as an image does, or is too long for a name."""
    start = text[:_SURELY]
    if len(text) < _SHORTEST or not (start.startswith(_STARTS) or len(text) >= _SURELY):
        return False
    return _ALPHABET.fullmatch(start.replace("\r", "").replace("\n", "")) is not None
