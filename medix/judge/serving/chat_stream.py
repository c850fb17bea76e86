"""Decodes the streamed reply of the chat completions protocol: server-sent events in, the reply so far out."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from medix.judge.serving.chat_reply import ChatReply, content_of
from medix.serving.json_text import clean, field, index_of, read_json
from medix.serving.request_error import read_error

_DONE = b"[DONE]"
_MARK = b"\xef\xbb\xbf"  # of UTF-8, which may stand before the first event
_LONGEST = 2**24  # bytes; a server that never stops sending must not fill the memory
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
_THOUGHTS = ("thinking", "reasoning")
_OF_PARTS = frozenset(("index", "delta", "message", "logprobs"))
"""Fields of a choice that say nothing of the whole."""
_EMPTY: tuple[object, ...] = (None, "", [], {})


class ChatStream:
    """Puts the parts of a reply together and reads the whole as any other reply, with its faults and other choices.

    A server that knows no streams sends the whole reply at once, which is read as well.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._read = 0
        self._body: dict[str, Any] = {}  # fields of events: the last that says something
        self._first = _Choice()
        self._others: dict[int, _Choice] = {}
        self._event = b""
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
        if self._whole is None and not self._first.message and _unmarked(self._rest + data).startswith(b"{"):
            self._whole = bytearray(self._rest)
        if self._whole is not None:
            self._whole += data
            return
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")  # CR, LF or both end a line
        for line in lines:
            if self._line(_unmarked(line)):
                yield self._so_far()

    def close(self) -> ChatReply:
        """The reply, once the connection has ended.

        Raises:
            ValueError: the stream broke off, or reports an error of the server.
        """
        if self._whole is not None:
            return ChatReply.read(bytes(self._whole))
        self._line(_unmarked(self._rest))
        choices = [self._first, *self._others.values()]
        reply = _read([one.whole() for one in choices], self._body)  # first: an error may be why it broke off
        if not self._is_done and not self._first.is_ended:
            raise ValueError("it broke off before the end of the reply")
        first, *others = [
            replace(found, fault=one.fault or found.fault)
            for one, found in zip(choices, (reply, *reply.others), strict=True)
        ]
        return replace(first, others=tuple(others))

    def _so_far(self) -> ChatReply:
        """What is written so far; ``is_cut``, for there may be more."""
        message = self._first.message
        text, thought, _ = content_of(message.get("content"))
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        return ChatReply(text, clean(reasoning) if isinstance(reasoning, str) else thought, "length")

    def _line(self, line: bytes) -> bool:
        name, _, value = line.partition(b":")
        value = value.strip()
        if name == b"event":
            self._event = value
        if name != b"data" or not value:  # also comments that keep the connection open, and empty lines
            return False
        if value == _DONE:
            self._is_done = True
            return False
        event, self._event = self._event, b""
        if event == b"error":
            raise ValueError(f"it reports an error: {read_error(value)}")
        content = read_json(value)
        if field(content, "error") or field(content, "errors") or field(content, "object") == "error":
            ChatReply.read(value)  # which says what is wrong
        choices = field(content, "choices")
        if choices in _EMPTY:  # in an event of statistics
            choices = []
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise ValueError("it holds no choices")
        self._body |= _said(content, frozenset(("choices",)))
        has_grown = False
        for choice in choices:
            index = index_of(choice)
            one = self._others.setdefault(index, _Choice()) if index else self._first
            has_grown |= one.take(choice) and one is self._first
        return has_grown


class _Choice:
    """What is said of one choice so far."""

    def __init__(self) -> None:
        self.message: dict[str, Any] = {}  # its fields, as those beside it: the last that says something
        self.fault = ""
        self.is_ended = False
        self._beside: dict[str, Any] = {}
        self._has_closed = False  # by a part without text, behind which none may follow

    def take(self, choice: dict[str, Any]) -> bool:
        """Add a part; whether it holds any text."""
        said = _said(choice, _OF_PARTS)
        found = field(choice, "delta")
        delta = _said(found, frozenset())
        has_text = any(name in delta for name in _TEXTS)
        if has_text and self._has_closed:
            self.fault = self.fault or "text follows the end of the reply, as if it were several"
        if field(choice, "finish_reason") not in _EMPTY:  # some servers write "" until the end
            self.is_ended = True
            self._has_closed |= not has_text  # others write "stop" beside every part of the text
        self._beside |= said
        if said and not self.fault:  # a fault stays, whatever is said later
            self.fault = _read([{**said, "message": {}}]).fault
        for name in _TEXTS:
            if name in delta:
                delta[name] = _joined(self.message.get(name), field(found, name))
        self.message |= delta
        return has_text

    def whole(self) -> dict[str, Any]:
        """As a choice of a whole reply."""
        return {**self._beside, "message": self.message}


def _unmarked(line: bytes) -> bytes:
    """Without a byte order mark and without white space around."""
    return line.strip().removeprefix(_MARK).strip()


def _read(choices: list[dict[str, Any]], body: dict[str, Any] | None = None) -> ChatReply:
    """Read choices as those of a whole reply, with their errors.

    Args:
        choices: with their messages.
        body: what is said beside it.
    """
    return ChatReply.read(json.dumps({**(body or {}), "choices": choices}).encode())


def _said(content: Any, without: frozenset[str]) -> dict[str, Any]:
    """The fields of an object that hold something, but for some."""
    fields = content.items() if isinstance(content, dict) else ()
    return {name: value for name, value in fields if name not in without and value not in _EMPTY}


def _joined(before: Any, part: Any) -> Any:
    """A text, or a list of parts, with what follows it; reasoning that comes piece by piece is one part."""
    if before is None or (isinstance(before, str) and isinstance(part, str)):
        return part if before is None else before + part
    found = [*_parts(before)]
    for one in _parts(part):
        kind = field(one, "type")
        last = found[-1] if found and kind in _THOUGHTS and field(found[-1], "type") == kind else {}
        if isinstance(last.get(kind), list) and isinstance(one.get(kind), list):
            found[-1] = {**last, kind: [*last[kind], *one[kind]]}
        else:
            found.append(one)
    return found


def _parts(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content if isinstance(content, list) else [content]
