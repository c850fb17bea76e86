"""What a constructor refuses, by its source, and what nothing is concluded of."""

import importlib
import inspect
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import MagicMock

import pytest

from medix.spec.class_source import NO_LITERAL, Parameter, find_class, parameters_of
from medix.spec.constructor_checks import refusal

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


ROOMS = ("advantages", "callbacks", "data", "judge", "losses", "modules", "rewards", "rollout")
NUMBERS: tuple[Any, ...] = (-1, 0, 1, 2, 7, 10_000, -0.5, 0.0, 0.3, 1.0, 1.5, True)
TEXTS: tuple[Any, ...] = ("", "a", "test/reward", "min")


def shipped() -> list[str]:
    """Import paths of the classes that specs name."""
    found = []
    for room in ROOMS:
        module = importlib.import_module(f"medix.{room}")
        names = getattr(module, "__all__", dir(module))
        found += [f"medix.{room}.{name}" for name in names if isinstance(getattr(module, name, None), type)]
    return found


def drawn(known: dict[str, Parameter], random: Random) -> dict[str, Any]:
    """The defaults, with up to three values of their kind in place of some."""
    values = {name: one.default for name, one in known.items() if isinstance(one.default, int | float | str | None)}
    numbers = [name for name, default in values.items() if isinstance(default, int | float)]
    for name in random.sample(sorted(values), min(3, len(values))):
        values[name] = random.choice(NUMBERS if name in numbers else (*NUMBERS, *TEXTS))
    return values


def test_what_is_refused_early_is_refused_by_the_constructor() -> None:
    """Of all classes that specs name, with values drawn at random: a false refusal keeps a good spec from running."""
    random, refused = Random(0), set()
    for path in shipped():
        stand_in, (module, _, name) = find_class(path), path.rpartition(".")
        known = parameters_of(stand_in) if stand_in is not None else None
        if stand_in is None or known is None:
            continue
        real = getattr(importlib.import_module(module), name)
        for _ in range(25):
            values = drawn(dict(known), random)
            message = refusal(stand_in, values)
            if message is None:
                continue
            refused.add((path, message.partition(":")[0]))
            required = {key: MagicMock() for key, one in known.items() if one.default is inspect.Parameter.empty}
            with pytest.raises((ValueError, TypeError, AttributeError)):
                real(**required, **{key: value for key, value in values.items() if value is not NO_LITERAL})
    assert len(refused) > 40, "the test must meet many checks"
