"""JSON of a server, read so that a field that is not needed can do no harm."""

import json
import math
import re
from typing import Any

_DEEPEST = 64  # levels; what lies deeper is read as null
_LONGEST_NUMBER = 300  # digits; a longer integer is read as NaN
_INDEX = re.compile(r"[0-9]{1,9}")
_EVENT = re.compile(r"(?:data|event|id|retry)?:")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]|[^"\[\]{}]+|"', re.DOTALL)


class RepeatedKeys(dict[str, Any]):
    """An object in which keys occur more than once; it holds their last values.

    Attributes:
        repeated: these keys.
    """

    repeated: frozenset[str] = frozenset()


def read_json(data: bytes) -> Any:
    """The content of a JSON text.

    Bytes that are no text in its encoding are replaced, integers of more than 300 digits are NaN, what is nested
    too deeply is null, and an object with repeated keys is a ``RepeatedKeys``.

    Raises:
        ValueError: it is no JSON; the message names a stream of events, or a web page, which it repeats in full: where
            it is shown, secrets are hidden first and it is cut afterwards (``Session.shown``).
    """
    text = data.decode(json.detect_encoding(data), "replace").strip()
    if _EVENT.match(text):
        raise ValueError("a stream of events (SSE), which was not asked for; switch streaming off at the server")
    if text.startswith("<"):
        raise ValueError(f"a web page or XML in place of JSON: {text!r}")
    try:
        return _DECODER.decode(text)
    except RecursionError:
        pass
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and text[error.pos :].startswith(("{", "[")):
            raise ValueError(
                "several JSON texts in place of one (NDJSON); switch streaming off at the server"
            ) from None
        raise
    try:
        return _DECODER.decode(_shallow(text))
    except RecursionError:  # pragma: no cover - _shallow prevents it
        raise ValueError("it is nested too deeply") from None


def field(content: Any, name: str) -> Any:
    """A field that is needed; None if the content is no object or has none.

    Raises:
        ValueError: the object has several of the name, so that it is unknown which is meant.
    """
    if isinstance(content, RepeatedKeys) and name in content.repeated:
        raise ValueError(f"it holds {name} more than once")
    return content.get(name) if isinstance(content, dict) else None


def index_of(choice: Any) -> int | None:
    """The number of a choice of a reply, which some servers write as a text; None if it has none.

    Raises:
        ValueError: it is neither a whole number from 0 on nor the digits of one.
    """
    index = field(choice, "index")
    if index is None:
        return None
    if not isinstance(index, int | str) or not _INDEX.fullmatch(str(index)):
        raise ValueError(f"index: a choice has {index!r:.40}; a server writes 0, 1, … or the digits as a text")
    return int(index)


def clean(text: str) -> str:
    """The text with lone surrogates replaced: it can be written to files and sent again."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _shallow(text: str) -> str:
    """The text with null in the place of each list or object that is nested too deeply. Linear in the length."""
    parts: list[str] = []
    depth = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in {"[", "{"}:
            depth += 1
            if depth == _DEEPEST + 1:
                parts.append("null")
        if depth <= _DEEPEST:
            parts.append(mark)
        if mark in {"]", "}"}:
            depth -= 1
    return "".join(parts)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else math.nan


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names = [name for name, _ in pairs]
    repeated = RepeatedKeys(found)
    seen: set[str] = set()
    repeated.repeated = frozenset(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return repeated


_DECODER = json.JSONDecoder(parse_int=_integer, object_pairs_hook=_object)
