"""Sharded weights of one process are trained as whole ones."""

from pathlib import Path

import pytest
import torch

from tests.tools.accelerator_check.tried import tried
from tools.accelerator_check.demo import Demo, difference
from tools.accelerator_check.sharded import STRATEGIES, Sharded


def test_every_strategy_trains_the_weights_of_none(tmp_path: Path) -> None:
    rows = tried("sharded.Sharded", tmp_path)
    assert list(rows) == list(STRATEGIES)
    assert all(row.numbers["largest"] <= 1e-5 for row in rows.values())


def test_other_weights_are_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Demo, "fit", lambda _, name, *words: {"w": torch.tensor([float(name == "FSDP2")])})
    part = Sharded(tmp_path, tiny=True)
    part.device = "cpu"
    with pytest.raises(RuntimeError, match="weights differ by up to 1 from the run without sharding"):
        part._compare("FSDP2")


def test_without_deepspeed_it_is_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    cases = dict(Sharded(tmp_path, tiny=True).cases())
    with pytest.raises(Exception, match="No module named 'deepspeed'"):
        cases["ZeRO-3"]()


def test_the_difference_of_weights() -> None:
    one, other = {"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([1.0, 1.5])}
    assert difference(one, one) == {"bit_equal": True, "largest": 0.0}
    assert difference(one, other) == {"bit_equal": False, "largest": 0.5}
    with pytest.raises(RuntimeError, match=r"different weights: \['b'\]"):
        difference(one, {**other, "b": torch.ones(1)})
