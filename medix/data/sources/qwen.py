"""Messages in the layout of Qwen-VL."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from medix.data.sources.conversation import ROLES, ConversationSource, Turn
from medix.data.sources.llava import image_names, named_or_held
from medix.data.sources.source import RowError

_IMAGE_KEYS = ("image", "image_url", "url", "path")
_LONGEST_SCHEME = 20


class QwenSource(ConversationSource):
    """Rows with ``messages``, a list of ``{"role": "user"|"assistant"|"system", "content": …}``.

    ``content`` is a text, or a list of ``{"type": "text", "text": …}`` and ``{"type": "image", "image": …}`` in order.
    An image is a file name, a ``file://`` address with an absolute path, or base64 or a ``data:`` address that holds
    it. Where the row has ``images``, ``{"type": "image"}``, or ``<image>`` in a text, stands for the next of these.
    """

    def turns(self, row: Mapping[str, Any]) -> tuple[list[Turn], list[str | bytes]]:
        """The messages and images of a row."""
        messages = row.get("messages")
        if not isinstance(messages, list):
            raise RowError("messages", messages, "give a list of messages", "layout")
        turns, listed = [], image_names(row)
        images: list[str | bytes] = []
        for message in messages:
            role = ROLES.get(str(message.get("role"))) if isinstance(message, dict) else None
            if role is None:
                raise RowError("messages", message, 'give {"role": "user" or "assistant", "content": …}', "layout")
            turns.append(Turn(role, _text(message.get("content"), images)))
        if images and listed:
            remedy = "images stand in the messages and in a list of the row; give them in one of the two"
            raise RowError("image", listed, remedy, "layout")
        return turns, images or listed


def _text(content: Any, images: list[str | bytes]) -> str:
    """The text of a content, with a marker where an image stands; an image that it names is added to the list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise RowError("content", content, "give a text, or a list of texts and images", "layout")
    parts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            parts.append(part["text"])
        elif kind in ("image", "image_url"):
            if (given := next((part[key] for key in _IMAGE_KEYS if part.get(key)), None)) is not None:
                images.append(_image(given))
            parts.append("<image>\n")
        elif kind == "video":
            raise RowError("content", part, "videos are not read", "video", refused=True)
        else:
            raise RowError("content", part, "is neither a text nor an image", "layout")
    return "".join(parts)


def _image(given: Any) -> str | bytes:
    """File name or bytes of an image."""
    address = given.get("url") if isinstance(given, dict) else given
    if not isinstance(address, str) or not address:
        raise RowError("image", given, "give a file name", "layout")
    held = named_or_held(address)
    if isinstance(held, bytes):
        return held
    scheme = urlsplit(address).scheme if "://" in address[:_LONGEST_SCHEME] else ""
    if scheme == "file":
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost"):
            remedy = "file:// takes an absolute path (file:///folder/x.png); give a relative one without file://"
            raise RowError("image", address, remedy, "layout")
        return unquote(parts.path)
    if scheme:
        raise RowError("image", address, "nothing is fetched while shards are built; fetch it first", "remote")
    return address
