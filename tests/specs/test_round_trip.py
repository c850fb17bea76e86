"""Specs as they are written out, by --print_config and for a run and its checkpoints, are read as what they say."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import ArgumentParser
from lightning.pytorch.callbacks import Callback

from medix.advantages import Advantage
from medix.cli import MedixCLI
from medix.judge.base import Judge
from medix.losses import Aggregate, Coefficient, GroupLoss, ImportanceCorrection, Ratio, Surrogate
from medix.rewards import AnswerRule, Normalisation, RewardComponent
from medix.spec.spec_names import find_spec
from medix.spec.spec_reading import parser_mode

SPECS = Path(str(find_spec("demo"))).parent


def shipped(kind: type) -> Iterator[type]:
    """Our classes of a kind that need no argument."""
    for one in kind.__subclasses__():
        yield from shipped(one)
        needed = [part for part in inspect.signature(one).parameters.values() if part.default is part.empty]
        if one.__module__.startswith("medix.") and not inspect.isabstract(one) and not needed:
            yield one


def path_of(one: type) -> str:
    """Its import path."""
    return f"{one.__module__}.{one.__qualname__}"


KINDS = (
    Advantage, Aggregate, AnswerRule, Callback, Coefficient, GroupLoss, ImportanceCorrection, Judge, Normalisation,
    Ratio, RewardComponent, Surrogate,
)  # fmt: skip
PARTS = [(kind, one) for kind in KINDS for one in shipped(kind)]
LOSSES = [
    (loss, aggregate)
    for loss in shipped(GroupLoss)
    for aggregate in shipped(Aggregate)
    if "aggregate" in inspect.signature(loss).parameters
]


def returns(parser: Any, folder: Path, *words: str) -> str:
    """What is written of a spec, after a check that it is read as the same."""
    text = str(parser.dump(parser.parse_args([*words]), skip_unset=False))
    (folder / "spec.yaml").write_text(text)
    assert parser.dump(parser.parse_args(["--config", str(folder / "spec.yaml")]), skip_unset=False) == text
    return text


@pytest.fixture(scope="module")
def whole() -> Any:
    """The parser of the trainer commands."""
    return MedixCLI(args=["--config", str(find_spec("demo"))], run=False).parser


@pytest.mark.parametrize("name", sorted(path.stem for path in SPECS.glob("*.yaml")))
def test_shipped_specs_return(whole: Any, tmp_path: Path, name: str) -> None:
    assert "max_steps: " in returns(whole, tmp_path, "--config", str(find_spec(name)))


@pytest.mark.parametrize("path", sorted((SPECS / "parts").glob("rewards_*.yaml")), ids=lambda path: path.stem)
def test_shipped_rewards_return(whole: Any, tmp_path: Path, path: Path) -> None:
    text = returns(whole, tmp_path, "--config", str(find_spec("demo")), "--model.rewards", str(path))
    assert ("terms: null" in text) == (path.stem == "rewards_strict")


def parser_of(kind: type) -> ArgumentParser:
    """A parser of one part."""
    parser = ArgumentParser(exit_on_error=False, parser_mode=parser_mode())
    parser.add_argument("--config", action="config")
    parser.add_subclass_arguments(kind, "part")
    return parser


@pytest.mark.parametrize(("loss", "aggregate"), LOSSES)
def test_losses_return_with_each_aggregate(tmp_path: Path, loss: type, aggregate: type) -> None:
    words = "--part", path_of(loss), "--part.init_args.aggregate", path_of(aggregate)
    assert f".{aggregate.__name__}\n" in returns(parser_of(GroupLoss), tmp_path, *words)


@pytest.mark.parametrize(("kind", "one"), PARTS)
def test_each_class_returns_with_its_defaults(tmp_path: Path, kind: type, one: type) -> None:
    assert f".{one.__name__}\n" in returns(parser_of(kind), tmp_path, "--part", path_of(one))
