"""Phases of a step: timed, and announced to the callbacks that have hooks for them."""

from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch import LightningModule

from medix.modules.phase import phase


class Listening:
    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def on_phase_start(self, trainer: Any, module: Any, name: str) -> None:
        self.heard.append(("start", name))

    def on_phase_end(self, trainer: Any, module: Any, name: str, seconds: float) -> None:
        self.heard.append(("end", name, seconds))


def module_with(*callbacks: object) -> LightningModule:
    module = LightningModule()
    module._trainer = SimpleNamespace(callbacks=list(callbacks))  # type: ignore[assignment]
    return module


def test_seconds_add_up_by_name_and_callbacks_without_hooks_are_left_alone() -> None:
    listening, seconds = Listening(), {"update": 1.0}
    with phase("update", module_with(object(), listening), seconds):
        assert listening.heard == [("start", "update")]
    (_, end) = listening.heard
    assert end[:2] == ("end", "update")
    assert seconds == {"update": 1.0 + end[2]}


def test_a_phase_that_fails_has_no_end() -> None:
    listening, seconds = Listening(), dict[str, float]()
    with pytest.raises(KeyError), phase("reward", module_with(listening), seconds):
        raise KeyError("broken")
    assert listening.heard == [("start", "reward")]
    assert seconds == {}
