"""Decodes the streamed reply of the chat completions protocol: server-sent events in, the reply so far out."""

import json
from collections.abc import Iterator
from typing import Any

from medix.judge.serving.chat_reply import ChatReply
from medix.serving.json_text import clean, field, read_json

_DONE = b"[DONE]"
_LONGEST = 2**24  # bytes; a server that never stops sending must not fill the memory
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
_CALLS = ("tool_calls", "function_call")


class ChatStream:
    """Puts the parts of a reply together and reads the whole as any other reply, with its faults.

    A server that knows no streams sends the whole reply at once, which is read as well.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._read = 0
        self._message: dict[str, Any] = {}  # texts, and what else is no text
        self._finish_reason: str | None = None
        self._is_done = False
        self._whole: bytearray | None = None

    def feed(self, data: bytes) -> Iterator[ChatReply]:
        """Decode a part of the stream; gives the reply so far each time that it has grown.

        Raises:
            ValueError: it does not follow the protocol, reports an error of the server, or is too long.
        """
        self._read += len(data)
        if self._read > _LONGEST:
            raise ValueError(f"it is longer than {_LONGEST} bytes")
        if self._whole is None and not self._message and (self._rest + data).lstrip().startswith(b"{"):
            self._whole = bytearray(self._rest)
        if self._whole is not None:
            self._whole += data
            return
        *lines, self._rest = (self._rest + data).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if self._line(line.strip()):
                yield self._so_far()

    def close(self) -> ChatReply:
        """The reply, once the connection has ended.

        Raises:
            ValueError: the stream broke off.
        """
        if self._whole is not None:
            return ChatReply.read(bytes(self._whole))
        self._line(self._rest.strip())
        if not self._is_done and self._finish_reason is None:
            raise ValueError("it broke off before the end of the reply")
        choice = {"message": self._message, "finish_reason": self._finish_reason}
        return ChatReply.read(json.dumps({"choices": [choice]}).encode())

    def _so_far(self) -> ChatReply:
        """What is written so far; ``is_cut``, for there may be more."""
        return ChatReply(
            text=clean(self._message.get("content", "")),
            reasoning=clean(self._message.get("reasoning_content") or self._message.get("reasoning") or ""),
            finish_reason="length",
        )

    def _line(self, line: bytes) -> bool:
        name, _, value = line.partition(b":")
        if name != b"data":  # names of events, comments that keep the connection open, and empty lines
            return False
        if value.strip() == _DONE:
            self._is_done = True
            return False
        content = read_json(value.strip())
        if field(content, "error") or field(content, "errors"):
            ChatReply.read(value.strip())  # which says what is wrong
        choices = field(content, "choices")  # none in an event of statistics
        return any(self._take(choice) for choice in choices or () if not field(choice, "index"))

    def _take(self, choice: Any) -> bool:
        reason = field(choice, "finish_reason")
        self._finish_reason = self._finish_reason if reason is None else str(reason)
        delta, grown = field(choice, "delta"), False
        for name in _TEXTS:
            part = field(delta, name)
            if isinstance(part, str) and part:
                self._message[name] = self._message.get(name, "") + part
                grown = True
        for name in _CALLS:
            if field(delta, name):
                self._message[name] = field(delta, name)
        return grown
