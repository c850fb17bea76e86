"""Addresses in messages, tables and reports: without what gives access to them."""

import re

_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*)://([^\s'\"<>]+)", re.IGNORECASE)
_HOST = re.compile(r"\[[^]]*\](:[0-9]*)?|[^:]*(:[0-9]*)?")


def without_access(text: str) -> str:
    """A text whose addresses have neither user and password nor query, which signed addresses hold their key in.

    ``https://me:secret@host/a.tar?X-Amz-Signature=…`` becomes ``https://host/a.tar?…``.
    """
    return _ADDRESS.sub(lambda found: f"{found[1]}://{_shown(found[2])}", text)


def _shown(rest: str) -> str:
    authority, slash, path = rest.partition("/")
    host, *of_host = re.split("[?#]", authority.rpartition("@")[2], maxsplit=1)
    if not _HOST.fullmatch(host):  # the beginning of a password with a slash, which no server would understand
        return "…"
    if of_host:
        return f"{host}?…"
    path, *of_path = re.split("[?#]", path, maxsplit=1)
    return f"{host}{slash}{path}{'?…' if of_path else ''}"
