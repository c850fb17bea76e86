"""Checks the content of a completion record that was read from a file."""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any


class RecordValueError(ValueError):
    """A value in a record that no run writes; the message begins with its key."""


def check_values(data: Any) -> None:
    """Refuse values of the wrong type or range: a credit of 7 would become an accuracy of 400 %.

    Args:
        data: one line of a file of records, as JSON gives it. Keys that are missing are not checked.

    Raises:
        RecordValueError: names the key, the value and what is expected.
    """
    _refuse(_entries(data, _FIELDS, ""))


def check_fields(data: Any, rules: "Mapping[str, Rule]", prefix: str = "", needed: Collection[str] = ()) -> None:
    """The same for an object of another file, without what is inside its values.

    Args:
        data: the object, as JSON gives it.
        rules: of each key that is checked; keys that are missing are not.
        prefix: stands before each key in the message.
        needed: keys that may not be missing.

    Raises:
        RecordValueError: it is no object, or one of its values is wrong; as ``check_values``.
    """
    _refuse(_own(data, rules, prefix))
    for name in needed:
        if name not in data:
            raise RecordValueError(f"{prefix}{name}: is missing")


def _refuse(entries: "Iterator[tuple[str, Any, Rule]]") -> None:
    for key, value, (expected, holds) in entries:
        if not holds(value):
            raise RecordValueError(f"{key}: {value!r:.60} is not {expected}")


def _is_number(value: Any) -> bool:
    """Whether a value is a finite number, of which a float can hold the size; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _or_none(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


Rule = tuple[str, Callable[[Any], bool]]
TEXT: Rule = ("a text", lambda value: isinstance(value, str))
TEXT_OR_NULL: Rule = ("a text or null", _or_none(TEXT[1]))
TEXTS: Rule = (
    "a list of texts",
    lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
)
COUNT: Rule = ("a whole number of 0 or more", lambda value: type(value) is int and 0 <= value <= sys.float_info.max)
COUNTS: Rule = (
    "a list of whole numbers of 0 or more",
    lambda value: isinstance(value, list) and all(map(COUNT[1], value)),
)
_WHOLE: Rule = ("a whole number", lambda value: type(value) is int)
FLAG: Rule = ("true or false", lambda value: isinstance(value, bool))
NUMBER: Rule = ("a finite number", _is_number)
NUMBER_OR_NULL: Rule = ("a finite number or null", _or_none(_is_number))
_SHARE_OR_NULL: Rule = ("a number from 0 to 1 or null", _or_none(_is_share))
_FINISH: Rule = ("'stop' or 'length'", lambda value: value in ("stop", "length"))
_STATUS: Rule = ("scored, unscored or not_applicable", lambda value: value in ("scored", "unscored", "not_applicable"))

MAPPING: Rule = ("a mapping", lambda value: isinstance(value, Mapping))
MAPPING_OR_NULL: Rule = ("a mapping or null", _or_none(MAPPING[1]))
MAPPING_OF_TEXTS: Rule = (
    "a mapping of texts",
    lambda value: isinstance(value, Mapping) and all(isinstance(one, str) for one in value.values()),
)
LIST: Rule = ("a list", lambda value: isinstance(value, list))

_FIELDS: Mapping[str, Rule] = {
    "step": COUNT, "split": TEXT, "dataset": TEXT, "id": TEXT, "index": COUNT, "case": TEXT, "source": TEXT,
    "modality": TEXT_OR_NULL, "question": TEXT, "reference": TEXT, "completion": TEXT, "answer": TEXT_OR_NULL,
    "reasoning": TEXT_OR_NULL, "named_modality": TEXT_OR_NULL, "faults": TEXTS, "finish_reason": _FINISH,
    "tokens": COUNT, "policy_version": _WHOLE, "total": NUMBER_OR_NULL, "advantage": NUMBER_OR_NULL,
    "mean_logprob": NUMBER_OR_NULL, "images": TEXTS, "image_ids": TEXTS, "aliases": TEXTS,
    "normalised": NUMBER_OR_NULL, "position": _WHOLE, "rewards": TEXT, "own_judges": TEXT,
    "exchanged": FLAG, "subgroup": MAPPING_OF_TEXTS,
    "components": MAPPING,
}  # fmt: skip

_VERDICT: Mapping[str, Rule] = {
    "credit": _SHARE_OR_NULL, "judge": TEXT, "reason": TEXT, "reply": TEXT_OR_NULL, "explanation": TEXT,
    "latency": NUMBER, "confidence": _SHARE_OR_NULL, "is_cached": FLAG, "votes": LIST, "asked": TEXT,
    "has_answer": FLAG,
}  # fmt: skip

_COMPONENT: Mapping[str, Rule] = {
    "value": NUMBER_OR_NULL, "status": _STATUS, "reason": TEXT, "is_judged": FLAG, "left_out": FLAG,
}  # fmt: skip


def _entries(data: Any, rules: Mapping[str, Rule], prefix: str) -> Iterator[tuple[str, Any, Rule]]:
    """The keys of a mapping that are present, and those of the verdicts and components in it."""
    yield from _own(data, rules, prefix)
    if not isinstance(data, Mapping):
        return
    if data.get("verdict") is not None:
        yield from _entries(data["verdict"], _VERDICT, f"{prefix}verdict.")
    for number, vote in enumerate(data.get("votes") or ()):
        yield from _entries(vote, _VERDICT, f"{prefix}votes.{number}.")
    for name, part in (data.get("components") or {}).items():
        scored = isinstance(part, Mapping) and part.get("status") == "scored"
        yield from _entries(
            part, {**_COMPONENT, **({"value": NUMBER} if scored else {})}, f"{prefix}components.{name}."
        )


def _own(data: Any, rules: Mapping[str, Rule], prefix: str) -> Iterator[tuple[str, Any, Rule]]:
    """The keys of a mapping that are present."""
    if not isinstance(data, Mapping):
        yield prefix.removesuffix("."), data, MAPPING
        return
    for name, rule in rules.items():
        if name in data:
            yield f"{prefix}{name}", data[name], rule
