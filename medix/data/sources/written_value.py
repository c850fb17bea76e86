"""Values that a text writes out, as the cells of CSV do: JSON, Python, or numpy within either."""

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from medix.data.partition import NOTHING

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<open>(?:array|np\.\w+)\(|[\[({])
    |(?P<close>(?:,\s*dtype=[^()\[\]]+)?\)|[\]}])
    |(?P<mark>[,:])
    |(?P<value>[bBuUrR]{0,2}(?:'(?:[^'\\]++|\\.)*+'|"(?:[^"\\]++|\\.)*+")|[-+\w.]+|<NA>)
    )""",
    re.VERBOSE | re.DOTALL,
)
_QUOTE = re.compile("['\"]")
_NO_VALUE = "is neither JSON nor a list as Python or numpy writes it"


class UnclearListError(ValueError):
    """A text is a list, but not one whose elements are known."""


def written_out(text: str) -> Any:
    """The value that a text writes as JSON or as Python does, or as numpy does: ``['left' 'left side']``.

    pandas writes the lists of a Parquet file so, without commas and over several lines. Python would read such
    neighbours as one text. Words for nothing without quotes, such as ``nan``, are None.

    Raises:
        UnclearListError: it is a list that numpy has shortened (``...``), or one with commas between some elements.
        ValueError: it is no value.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    rewritten, remedy = _with_commas(text)
    try:
        value = ast.literal_eval(rewritten)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(_NO_VALUE) from error
    if remedy:
        raise UnclearListError(f"{remedy}; write the list as JSON, or give a Parquet file")
    return value


def text_list(value: Any, of_numbers: bool = False) -> Sequence[Any]:
    """The elements of a list that a text writes out, as in CSV; the value itself if it is none.

    Args:
        value: the cell.
        of_numbers: whether lists of numbers alone, such as ``[1, 2]``, are lists, too; otherwise they are the texts
            that they are, as of a box.

    Raises:
        UnclearListError: it is not known which texts they are.
    """
    if not isinstance(value, str) or not value.strip().startswith("["):
        return [value]
    try:
        found = written_out(value)
    except ValueError as error:
        if isinstance(error, UnclearListError) and (of_numbers or _QUOTE.search(value)):
            raise
        return [value]
    if not isinstance(found, list):
        return [value]
    is_list = any(isinstance(one, str) for one in found) or not any(map(_is_given, found))
    return found if is_list or (of_numbers and not any(isinstance(one, list) for one in found)) else [value]


def _is_given(value: Any) -> bool:
    return value is not None and value == value  # not NaN, as JSON writes it


@dataclass
class _Bracket:
    """One that is open, and how its elements are told apart so far."""

    sign: str = ""
    marks: set[str] = field(default_factory=set)


def _with_commas(text: str) -> tuple[str, str]:
    """A text with commas where numpy leaves them out, and why its elements are not clear; empty if they are.

    Raises:
        ValueError: it is no value, or several.
    """
    parts: list[str] = []
    remedy, place, is_after_value = "", 0, False
    opened = [_Bracket()]
    text = text.strip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None or (found.lastgroup == "close" and len(opened) == 1):
            raise ValueError(_NO_VALUE)
        place, kind, token = found.end(), found.lastgroup, found[0].strip()
        if is_after_value and kind in ("open", "value"):
            opened[-1].marks.add("")
            parts.append(",")
        if kind == "mark":
            opened[-1].marks.add(token)
        elif kind == "open":
            opened.append(_Bracket(token[-1]))
        elif kind == "close":
            token = token[-1]
            closed = opened.pop()
            if "" in closed.marks and (closed.sign != "[" or len(closed.marks) > 1):
                remedy = "it has no comma between some of its elements"
        elif token == "...":
            remedy = "numpy has left elements out of it (...)"
        parts.append(token[-1] if kind == "open" else "None" if token in NOTHING else token)
        is_after_value = kind in ("close", "value")
    if opened[0].marks:  # several values
        raise ValueError(_NO_VALUE)
    return "".join(parts), remedy
