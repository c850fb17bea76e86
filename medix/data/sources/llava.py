"""Conversations in the layout of LLaVA."""

from collections.abc import Mapping
from typing import Any

from medix.data.sources.conversation import ROLES, ConversationSource, Turn
from medix.data.sources.inline_image import InlineImageError, inline_image, is_name
from medix.data.sources.source import RowError


class LlavaSource(ConversationSource):
    """Rows with ``conversations``, a list of ``{"from": "human"|"gpt", "value": TEXT}``, and ``image``.

    ``image`` is a file name, or base64 or a ``data:`` address that holds the image. ``image`` or ``images`` may be a
    list; ``<image>`` in a text stands for the next of them.
    """

    def turns(self, row: Mapping[str, Any]) -> tuple[list[Turn], list[str | bytes]]:
        """The messages and images of a row."""
        messages = row.get("conversations")
        if not isinstance(messages, list):
            raise RowError("conversations", messages, "give a list of messages", "layout")
        turns = []
        for message in messages:
            role = ROLES.get(str(message.get("from"))) if isinstance(message, dict) else None
            if role is None or not isinstance(message.get("value"), str):
                remedy = 'give {"from": "human" or "gpt", "value": TEXT}'
                raise RowError("conversations", message, remedy, "layout")
            turns.append(Turn(role, message["value"]))
        return turns, image_names(row)


def image_names(row: Mapping[str, Any]) -> list[str | bytes]:
    """The file names, or the images themselves, in ``image`` or ``images`` of a row.

    Raises:
        RowError: they are no names, or the row has a video.
    """
    if row.get("video") or row.get("videos"):
        raise RowError("video", row.get("video") or row.get("videos"), "videos are not read", "video", refused=True)
    given = row.get("image") or row.get("images") or []
    names = given if isinstance(given, list) else [given]
    for place, name in enumerate(names, start=1):
        if not isinstance(name, str) or not name:
            remedy = f"image {place} of {len(names)} is no file name; name it, or take it out of the list"
            raise RowError("image", name, remedy, "layout")
    return [named_or_held(name) for name in names]


def named_or_held(text: str) -> str | bytes:
    """The name of a file, or the image that a text holds (``medix.data.sources.inline_image``).

    Raises:
        RowError: it holds one that cannot be taken out, or is neither.
    """
    try:
        held = inline_image(text)
    except InlineImageError as error:
        raise RowError("image", text, str(error), "image") from error
    if held is None and not is_name(text):
        raise RowError("image", text, "is neither a file name nor base64", "layout")
    return text if held is None else held
