"""What a constructor refuses, by its source, and what nothing is concluded of."""

from pathlib import Path
from typing import Any

import pytest

from medix.class_source import find_class
from medix.constructor_checks import refusal

CLASSES = """\
from dataclasses import dataclass
from elsewhere import check, limit, BOUND


class Loop:
    def __init__(self, low: int, high: int, other: object = None) -> None:
        check(other)
        for name, value in (("low", low), ("high", high)):
            if value < 1:
                raise ValueError(f"{name}: {value} must be at least 1")
        gap = high - low
        if gap < 0:
            raise ValueError(f"high: {high} is below low: {low}")


class Derived(Loop):
    def load(self) -> None: ...


@dataclass(frozen=True)
class Fields:
    share: float = 0.5

    def __post_init__(self) -> None:
        checks = {"share": 0 < self.share <= 1}
        for name, holds in checks.items():
            if not holds:
                raise ValueError(f"{name}: {getattr(self, name)}")


class Uncertain:
    def __init__(self, top: int) -> None:
        top = limit(top)
        if top < 1:
            raise ValueError("top")
        names = []
        names.append(top)
        if not names:
            raise ValueError("names")
        if 1 > BOUND:
            raise ValueError("bound")


class Returns:
    def __init__(self, top: int | None) -> None:
        if top is None:
            return
        if top < 1:
            raise ValueError("top")


@dataclass(frozen=True)
class Changed:
    top: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "top", 5)
        if self.top < 1:
            raise ValueError("top")
"""


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("Loop", {"low": 0, "high": 3}, "low: 0 must be at least 1"),
        ("Loop", {"low": 4, "high": 3, "other": None}, "high: 3 is below low: 4"),
        ("Derived", {"low": 4, "high": 3}, "high: 3 is below low: 4"),
        ("Loop", {"low": 1, "high": 3}, None),
        ("Loop", {"low": 0}, None),
        ("Loop", {"low": "a", "high": 1}, None),
        ("Fields", {"share": 2}, "share: 2"),
        ("Fields", {"share": 1}, None),
        ("Fields", {}, None),
        ("Uncertain", {"top": 0}, None),
        ("Returns", {"top": 0}, None),
        ("Changed", {"top": 0}, None),
    ],
)
def test_only_what_is_certain_is_refused(
    name: str, values: dict[str, Any], message: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"my_checks_{name.lower()}"  # the source of a module is read once
    (tmp_path / f"{module}.py").write_text(CLASSES)
    monkeypatch.syspath_prepend(str(tmp_path))
    kind = find_class(f"{module}.{name}")
    assert kind is not None
    assert refusal(kind, values) == message
