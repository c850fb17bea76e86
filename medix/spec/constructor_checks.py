"""What a constructor refuses, found in its source: its checks of numbers, texts and switches, without its imports.

Only plain statements are followed: an assignment, a condition or a loop that uses the parameters, literals and a few
functions of Python. Of anything else, nothing is concluded, and neither of what depends on it.
"""

import ast
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from medix.spec.class_source import constructor_of, is_dataclass


class _RefusedError(Exception):
    """Stands for what a constructor raises itself; errors of a statement that does not fit its values are others."""


_FUNCTIONS: dict[str, Any] = {
    one.__name__: one
    for one in (
        abs, all, any, bool, dict, float, getattr, int, isinstance, len, list, max, min, round, set, str, sum, tuple,
    )
} | {"ValueError": _RefusedError, "TypeError": _RefusedError, "math": math}  # fmt: skip
_STATEMENTS = (ast.Assign, ast.AnnAssign, ast.If, ast.For)
_PLAIN = (
    ast.Assign, ast.AnnAssign, ast.If, ast.For, ast.Raise, ast.expr, ast.expr_context, ast.operator, ast.boolop,
    ast.unaryop, ast.cmpop, ast.comprehension, ast.FormattedValue, ast.JoinedStr, ast.keyword,
)  # fmt: skip


def refusal(kind: type, values: Mapping[str, Any]) -> str | None:
    """The message with which a class of ``find_class`` refuses some values; None if that is not certain.

    Args:
        kind: the class.
        values: of its parameters, defaults included, as far as they are known.
    """
    constructor = constructor_of(kind)
    if constructor is None:
        return None
    known = dict(values)
    if is_dataclass(kind):
        known = {"self": SimpleNamespace(**values)}
    for statement in constructor.body:
        if not _is_followed(statement, known):
            if _changes_more(statement):
                return None
        elif (message := _run(statement, known)) is not None:
            return message
        else:
            continue
        for name in _assigned(statement) | _mentioned_containers(statement, known):
            known.pop(name, None)
    return None


def _is_followed(statement: ast.stmt, known: Mapping[str, Any]) -> bool:
    parts = list(ast.walk(statement))
    if not isinstance(statement, _STATEMENTS) or not all(isinstance(one, _PLAIN) for one in parts):
        return False
    read = {one.id for one in parts if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
    stores = [one for one in parts if isinstance(one, ast.Attribute | ast.Subscript)]
    return read <= {*known, *_FUNCTIONS, *_assigned(statement)} and all(isinstance(one.ctx, ast.Load) for one in stores)


def _changes_more(statement: ast.stmt) -> bool:
    """Whether a statement may end the constructor, or change a field of a frozen dataclass."""
    return any(
        isinstance(one, ast.Return) or (isinstance(one, ast.Attribute) and one.attr == "__setattr__")
        for one in ast.walk(statement)
    )


def _mentioned_containers(statement: ast.stmt, known: Mapping[str, Any]) -> set[str]:
    """What a statement may change in place."""
    names = {one.id for one in ast.walk(statement) if isinstance(one, ast.Name)} - {"self"}
    return {name for name in names if not isinstance(known.get(name), int | float | str | None)}


def _assigned(statement: ast.stmt) -> set[str]:
    return {one.id for one in ast.walk(statement) if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load)}


def _run(statement: ast.stmt, known: dict[str, Any]) -> str | None:
    """Execute a statement, which may change what is known; the message with which it refuses its values."""
    names = {"__builtins__": {}, **_FUNCTIONS, **known}
    own = _assigned(statement)
    for name in own:
        known.pop(name, None)
    try:
        exec(compile(ast.Module([statement], []), "<constructor>", "exec"), names)
    except _RefusedError as error:
        return str(error)
    except Exception:  # noqa: BLE001 - values of another kind than it expects: nothing is known of what it assigns
        return None
    known |= {name: names[name] for name in own if name in names}
    return None
