"""What callbacks need of a module, said where it is missing."""

import lightning.pytorch as lightning
import pytest

from medix.callbacks.watched import watched
from tests.support.fake_training import FakeModule


def test_a_module_with_steps_is_watched() -> None:
    module = FakeModule()
    assert watched(module) is module


def test_another_module_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(TypeError, match=r"LightningModule has no step, max_steps, .* need a GroupRLModule"):
        watched(lightning.LightningModule())
