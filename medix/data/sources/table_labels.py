"""What groups the rows of a table: labels, and bands of numbers."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from datetime import date, time
from decimal import Decimal
from itertools import pairwise
from typing import Any

BELOW_ZERO = "number below 0: "
"""Begins keys of counts, before the name of a subgroup: rows with such a number, which has no band."""

_NUMBER = re.compile(r"(?P<below><)?(?P<number>-?\d+(?:\.\d+)?)(?!\w)")


def label_of(value: Any) -> Any:
    """Values of Parquet that are no text as one; any other value as it is.

    Truth values are ``true`` and ``false``, dates and times as ISO 8601 writes them, decimals numbers without zeros at
    their end.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, Decimal):
        if not value.is_finite():
            return "" if value.is_nan() else float(value)
        return str(int(value)) if value == value.to_integral_value() else f"{value.normalize():f}"
    return value


def band_of(text: str, edges: Sequence[float]) -> str:
    """The band that a number is in, such as ``18 to <65``; each begins with its lower edge.

    Empty for a number below 0 if all edges are above 0: it stands for an age or a count that is not known, as -1 does.

    Raises:
        ValueError: the text is no number, or an infinite one.
    """
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number")
    if value < 0 < edges[0]:
        return ""
    if value < edges[0]:
        return f"<{edges[0]:.15g}"
    for low, high in pairwise(edges):
        if value < high:
            return f"{low:.15g} to <{high:.15g}"
    return f"{edges[-1]:.15g} and over"


def check_edges(name: str, edges: Sequence[float]) -> None:
    """Raises ValueError if the edges of bands do not ascend."""
    if not edges or any(not low < high for low, high in pairwise([*edges, float("inf")])):
        raise ValueError(f"data.bands.{name}: {list(edges)} are no ascending edges; give for example [18, 40, 65]")


def band_notes(counts: Counter[str]) -> list[str]:
    """What was decided about numbers that have no band, as sentences."""
    names = sorted(key.removeprefix(BELOW_ZERO) for key in counts if key.startswith(BELOW_ZERO))
    return [f"rows whose {name} is below 0, which counts as not given: {counts[BELOW_ZERO + name]:,}" for name in names]


def label_order(label: str) -> tuple[bool, float, bool, str]:
    """A key to sort labels by: numbers and bands of them by size, then texts."""
    match = _NUMBER.match(label)
    return match is None, float(match["number"]) if match else 0.0, not (match and match["below"]), label
