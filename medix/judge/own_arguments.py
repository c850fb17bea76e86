"""Arguments of judges of one's own, whose identity may leave out what verdicts depend on."""

import hashlib
import inspect
import json
from collections.abc import Iterator
from typing import Any

from medix.judge.base import Judge


def own_arguments(judge: Judge | None) -> str:
    """Digest of the constructor's arguments of a judge that is not of this package, or of such judges inside it.

    Verdicts are used again only where it is equal too. An argument is known by the attribute of its name, ``strict`` or
    ``_strict``. Of other objects among the arguments the class counts, and the version of a prompt.

    Args:
        judge: any, or none.

    Returns:
        Twelve hexadecimal digits; empty where there is no such judge, or none with arguments.
    """
    found = [] if judge is None else list(_of_own(judge))
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12] if found else ""


def named(judge: Judge) -> str:
    """Identity of a judge, with ``own_arguments`` where it has any."""
    own = own_arguments(judge)
    return f"{judge.identity} ({own})" if own else judge.identity


def _of_own(judge: Judge) -> Iterator[Any]:
    """Arguments of each judge of one's own, and of those inside it."""
    held = vars(judge)
    if not type(judge).__module__.startswith("medix."):
        names = inspect.signature(type(judge)).parameters
        given = {name: _plain(held.get(name, held.get(f"_{name}"))) for name in names}
        if given:
            yield given
    for value in held.values():
        for part in value if isinstance(value, list | tuple) else (value,):
            if isinstance(part, Judge):
                yield from _of_own(part)


def _plain(value: Any) -> Any:
    """A value as JSON holds it, the same in every process."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    return [name, str(value.identity if isinstance(value, Judge) else getattr(value, "version", ""))]
