"""Limits of batches in a spec: 1 is one batch, 1.0 is all of them."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from medix.batch_limits import LimitedTrainer
from medix.cli import MedixCLI
from medix.spec.spec_reading import parser_mode


@pytest.fixture(scope="module")
def parser() -> LightningArgumentParser:
    parser = LightningArgumentParser(parser_mode=parser_mode())
    parser.add_lightning_class_args(LimitedTrainer, "trainer")
    return parser


@pytest.mark.parametrize("split", ["train", "val", "test", "predict"])
@pytest.mark.parametrize(("text", "value"), [("1", 1), ("2", 2), ("1.0", 1.0), ("0.5", 0.5), ("null", None)])
def test_a_whole_number_stays_one(parser: LightningArgumentParser, split: str, text: str, value: object) -> None:
    found = parser.parse_args([f"--trainer.limit_{split}_batches={text}"]).trainer[f"limit_{split}_batches"]
    assert (found, type(found)) == (value, type(value))


def test_limits_reach_the_trainer(tmp_path: Path) -> None:
    limits = {"limit_train_batches": 4, "limit_val_batches": 3, "limit_test_batches": 0.5, "limit_predict_batches": 2}
    trainer = LimitedTrainer(accelerator="cpu", logger=False, default_root_dir=tmp_path, **limits)
    assert {name: getattr(trainer, name) for name in limits} == limits
    assert LimitedTrainer(accelerator="cpu", logger=False, default_root_dir=tmp_path).limit_val_batches == 1.0


def test_the_command_line_builds_this_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(LightningCLI, "__init__", lambda _, **arguments: given.update(arguments))
    MedixCLI()
    assert given["trainer_class"] is LimitedTrainer
