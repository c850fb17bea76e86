"""Conversations in the layout of LLaVA."""

from collections.abc import Mapping
from typing import Any

from medix.data.sources.conversation import ROLES, ConversationSource, Turn
from medix.data.sources.source import RowError


class LlavaSource(ConversationSource):
    """Rows with ``conversations``, a list of ``{"from": "human"|"gpt", "value": TEXT}``, and ``image``, a file name.

    ``image`` or ``images`` may be a list; ``<image>`` in a text stands for the next of them.
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
    """The file names in ``image`` or ``images`` of a row.

    Raises:
        RowError: they are no names, or the row has a video.
    """
    if row.get("video") or row.get("videos"):
        raise RowError("video", row.get("video") or row.get("videos"), "videos are not read", "video", refused=True)
    given = row.get("image") or row.get("images") or []
    names = given if isinstance(given, list) else [given]
    if not all(isinstance(name, str) and name for name in names):
        raise RowError("image", given, "give file names", "layout")
    return list(names)
