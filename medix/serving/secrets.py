"""Secrets of a client, as servers may repeat them."""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

_KEY_LIKE = re.compile(r"\bsk-[\w*-]{4,}|(?<=Bearer )\S+")
_PERCENT = re.compile("%[0-9A-F]{2}")
_CODING = ("utf-8", "replace")
_LONG = 8  # characters from which a key is also looked for in other cases and in parts
_SHORTEST = 4  # a key of fewer characters is none, and every text would be full of it
_PLACEHOLDERS = frozenset(("none", "null", "empty", "dummy", "unused"))  # for servers that want no key
_SHOWN = "[key]"


class Secrets:
    """Replaces keys in texts of servers, which repeat them whole or in part, in one spelling or another.

    Args:
        keys: of the client: a token, or ``Basic`` with user and password in base64.
        others: further secrets, such as the queries of addresses.
    """

    def __init__(self, keys: Iterable[str], others: Iterable[str] = ()) -> None:
        texts = [*keys, *others]
        for key in keys:
            texts += _parts_of_basic(key)
        secret = [text for text in texts if len(text) >= _SHORTEST and text.casefold() not in _PLACEHOLDERS]
        spelt = {spelling for text in secret for spelling in _spellings(text)}
        # the longest first: a part of a secret must not break up the whole of it
        self._texts = sorted(spelt, key=lambda text: (-len(text), text))
        loose = {one for text in secret if len(text) >= _LONG for one in (text, text.encode(*_CODING).hex())}
        self._loose = [_loosely(text) for text in sorted(loose, key=lambda text: (-len(text), text))]

    def hidden(self, text: str) -> str:
        """The text without secrets, and without what looks like a key."""
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, _SHOWN)
        for pattern in self._loose:
            text = pattern.sub(_SHOWN, text)
        return _KEY_LIKE.sub(_SHOWN, text)


def _loosely(secret: str) -> re.Pattern[str]:
    """A secret in any case, with what a writer puts between its parts: white space, quotes, ``+``, ``:`` of bytes."""
    return re.compile(r"[\s\u200b\"'+:,]{0,8}".join(map(re.escape, secret)), re.IGNORECASE)


def _in_base64(data: bytes) -> set[str]:
    """What base64 of any text around the data holds of it: it may begin at each of three places."""
    found = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for place in range(3):
            whole = encode(bytes(place) + data).decode()
            found.add(whole[(0, 2, 3)[place] : len(whole) - (0, 3, 2)[(place + len(data)) % 3]])
    return {one for one in found if len(one) >= _LONG}


def _parts_of_basic(key: str) -> list[str]:
    """Base64, user and password, and password of a key for basic authentication."""
    kind, _, data = key.partition(" ")
    if kind.casefold() != "basic" or not data:
        return []
    try:
        pair = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return [data.strip()]
    return [data.strip(), pair, pair.partition(":")[2]]


def _spellings(text: str) -> set[str]:
    """A text as it is, in JSON, in Python's quotes, in a URL, in HTML, and in base64."""
    data = text.encode(*_CODING)
    in_json = {json.dumps(text, ensure_ascii=is_ascii)[1:-1] for is_ascii in (True, False)}
    in_url = {quote(data, safe=""), quote_plus(data, safe=""), quote(data)}
    in_html = {html.escape(text), html.escape(text, quote=False)}
    in_base64 = {encode(data).decode() for encode in (base64.b64encode, base64.urlsafe_b64encode)}
    return {
        text,
        repr(text)[1:-1],
        text.replace("\\", "\\\\").replace("'", "\\'"),
        *in_json,
        *(one.replace("/", "\\/") for one in in_json),
        *in_url,
        *(_PERCENT.sub(lambda code: code[0].lower(), one) for one in in_url),
        *in_html,
        *(one.replace("&#x27;", "&#39;").replace("&quot;", "&#34;") for one in in_html),
        *in_base64,
        *(one.rstrip("=") for one in in_base64),
        *_in_base64(data),
    }
