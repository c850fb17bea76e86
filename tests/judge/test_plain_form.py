"""Plain forms of values: another one for another value, the same one in every process."""

import enum
import functools
import json
import operator
import re
import subprocess
import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medix.judge.plain_form import NoPlainFormError, plain_form
from medix.judge.prompt import YesNoPrompt

NAN = float("nan")


class Side(enum.Enum):
    LEFT = "l"
    RIGHT = "r"


@dataclass
class Limit:
    low: float
    words: frozenset[str] = frozenset()


class Holds:
    def __init__(self, value: Any) -> None:
        self.hidden = value


class Versioned(Holds):
    version = "one"


PAIRS: list[tuple[Any, Any]] = [
    (1, True), (1, 1.0), ("1", 1), (0.0, None), ("", None), ([1, 2], [2, 1]), ([[1], 2], [1, [2]]),
    ({"a": 1}, {"a": 2}), ({1: 2}, {"1": 2}), ({"a", "b"}, {"a", "c"}), (frozenset([1]), [1]), (b"a", b"b"),
    (re.compile("a"), re.compile("b")), (re.compile("a"), re.compile("a", re.IGNORECASE)), (Path("a"), Path("b")),
    (Side.LEFT, Side.RIGHT), (Limit(1.0), Limit(2.0)), (Limit(1.0, frozenset("a")), Limit(1.0, frozenset("b"))),
    (np.array([1, 2]), np.array([1, 3])), (np.array([1, 2]), np.array([[1, 2]])), (np.float32(1), np.float32(2)),
    (torch.tensor([1.0]), torch.tensor([2.0])), (torch.tensor(1.0), torch.tensor([1.0])),
    (torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.float16)), (len, max), (dict, list),
    (operator.add, operator.sub), (functools.partial(pow, 2), functools.partial(pow, 3)), ("a".join, "b".join),
    (Holds(1), Holds(2)), (Holds(Holds({"a"})), Holds(Holds({"b"}))), (Versioned(1), Versioned(2)),
    (OrderedDict(a=1), OrderedDict(a=2)), (Fraction(1, 2), Fraction(1, 3)), (date(2024, 1, 1), date(2024, 1, 2)),
    (range(2), range(3)), (NAN, 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_different_values_have_different_forms(one: Any, other: Any) -> None:
    assert _text(one) != _text(other)


def at_least(number: int) -> Any:
    def reached(value: int, number: int = number) -> bool:
        return value >= number

    return reached


def test_a_function_of_a_function_is_told_by_its_defaults() -> None:
    assert plain_form(at_least(1)) == plain_form(at_least(1)) != plain_form(at_least(2))


def test_equal_values_have_equal_forms() -> None:
    assert _text((1, [2])) == _text([1, (2,)])
    assert _text({"a": 1, "b": 2}) == _text({"b": 2, "a": 1})
    assert _text(torch.arange(6).reshape(2, 3).T) == _text(torch.tensor([[0, 3], [1, 4], [2, 5]]))
    assert _text(YesNoPrompt()) == _text(YesNoPrompt())


def test_a_form_is_the_same_in_another_process() -> None:
    made = "[{'left', 'right', 'up'}, re.compile('a', re.I), Path('b'), frozenset('xyz'), np.arange(3), Fraction(1, 3)]"
    start = "import re, json, numpy as np\nfrom pathlib import Path\nfrom fractions import Fraction\n"
    code = f"{start}from medix.judge.plain_form import plain_form\nprint(json.dumps(plain_form({made})))"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_what_nothing_can_be_said_of_has_no_form() -> None:
    circle: list[Any] = []
    circle.append(circle)
    local = 1
    values = (lambda: 1, lambda: local, threading.Lock(), iter(x for x in "a"), circle, Holds(lambda: 1), [Holds(open)])
    for value in values[:-1]:
        with pytest.raises(NoPlainFormError):
            plain_form(value)
    assert plain_form(values[-1])  # a function with a name


def test_a_version_says_enough_where_the_rest_has_no_form() -> None:
    one, other = Versioned(threading.Lock()), Versioned(threading.Lock())
    assert plain_form(one) == plain_form(other)
    other.version = "two"
    assert plain_form(one) != plain_form(other)


def _text(value: Any) -> str:
    return json.dumps(plain_form(value), sort_keys=True)
