"""Hooks are called on those who have them."""

from pathlib import Path

from lightning.pytorch import Callback, Trainer

from medix.callbacks.listeners import call_hook
from tests.support.fake_training import make_trainer


class _Hears(Callback):
    def __init__(self, name: str, heard: list[tuple[str, int]]) -> None:
        self.name, self.heard = name, heard

    def on_something(self, trainer: Trainer, number: int) -> None:
        self.heard.append((self.name, number))


def test_every_listener_hears_in_order_and_others_are_left_alone(tmp_path: Path) -> None:
    heard: list[tuple[str, int]] = []
    trainer = make_trainer(tmp_path, [_Hears("a", heard), Callback(), _Hears("b", heard)])
    call_hook(trainer, "on_something", 7)
    assert heard == [("a", 7), ("b", 7)]
