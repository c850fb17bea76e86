"""What the source says of a class, against what the class says of itself."""

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

from medix.spec.class_source import find_class, forget_user_modules, is_dataclass, missing_import, parameters_of
from medix.spec.spec_check import import_class, signature_of

SHIPPED = [
    "medix.modules.GroupRLModule", "medix.data.datamodule.ShardDataModule", "medix.losses.GSPOLoss",
    "medix.rewards.EmbeddingReward", "medix.judge.ServedJudge", "medix.judge.PanelJudge",
    "medix.policy.VisionLanguagePolicy", "medix.rollout.LocalEngine",
    "medix.callbacks.JudgeValidation", "medix.rewards.FormatReward", "medix.rollout.engine.Sampling",
    "lightning.pytorch.Trainer",
]  # fmt: skip

MINE = """
from dataclasses import dataclass
from typing import Literal, Optional

import attrs
from medix.losses import GRPOLoss

CHOICE = Literal["a", "b"]

@dataclass
class Base:
    count: int

@dataclass
class Data(Base):
    name: "str | None" = None
    choice: Optional[CHOICE] = "a"

class Loss(GRPOLoss):
    pass

@attrs.define
class Attrs:
    x: int

class New:
    def __new__(cls, x): ...

class Open:
    def __init__(self, x, **more): ...
"""


@pytest.mark.parametrize("path", SHIPPED)
def test_names_and_defaults_are_those_of_the_imported_class(path: str) -> None:
    kind, imported = find_class(path), import_class(path)
    assert kind is not None
    assert imported is not None
    found, real = parameters_of(kind), signature_of(imported)
    assert found is not None
    assert list(found) == list(real)
    for name, parameter in found.items():
        assert (parameter.default is inspect.Parameter.empty) == (real[name].default is inspect.Parameter.empty)
        if isinstance(real[name].default, int | str | float):
            assert parameter.default in (real[name].default, parameter.default)
        if real[name].hint in (int, float, str, bool):
            assert parameter.hint is real[name].hint


def test_fields_aliases_and_inherited_constructors_are_followed_and_what_is_not_certain_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_sources.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    data = find_class("my_sources.Data")
    assert data is not None
    assert is_dataclass(data)
    found = parameters_of(data)
    assert found is not None
    assert {name: str(parameter.hint) for name, parameter in found.items()} == {
        "count": "<class 'int'>",
        "name": "typing.Optional[str]",
        "choice": "typing.Optional[typing.Literal['a', 'b']]",
    }
    loss, shipped = find_class("my_sources.Loss"), find_class("medix.losses.GRPOLoss")
    assert loss is not None
    assert shipped is not None
    assert parameters_of(loss) == parameters_of(shipped)
    for name in ("Attrs", "New", "Open"):
        kind = find_class(f"my_sources.{name}")
        assert kind is not None
        assert parameters_of(kind) is None
    assert find_class("my_sources.CHOICE") is None


def test_modules_of_a_package_are_parsed_once_and_those_of_the_working_directory_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = tmp_path / "my_edited.py"
    mine.write_text("class Mine:\n    def __init__(self, a: int) -> None: ...\n")
    parsed: list[bytes] = []
    parse = ast.parse

    def noted(source: bytes, *words: Any, **more: Any) -> Any:
        parsed.append(source)
        return parse(source, *words, **more)

    monkeypatch.setattr(ast, "parse", noted)
    for name in ("a", "b"):
        mine.write_text(f"class Mine:\n    def __init__(self, {name}: int) -> None: ...\n")
        parsed.clear()
        forget_user_modules()
        kinds = [find_class(path) for path in ("my_edited.Mine", "medix.losses.DAPOLoss")]
        mine_of, shipped = (parameters_of(kind) for kind in kinds if kind is not None)
        assert list(mine_of or ()) == [name]
        assert shipped
    assert parsed == [mine.read_bytes()]


def test_only_an_import_that_certainly_fails_is_missing() -> None:
    assert missing_import("medix.losses.DAPPOLoss") == "module 'medix.losses' has no attribute 'DAPPOLoss'"
    assert missing_import("medix.lozzes.DAPOLoss") == "No module named 'medix.lozzes'"
    assert missing_import("no_such_module_of_mine.A") == "No module named 'no_such_module_of_mine'"
    for path in ("DAPOLoss", "torch.optim.AdamW", "itertools.count", "sys.x", "medix.losses.DAPOLoss"):
        assert missing_import(path) == ""
