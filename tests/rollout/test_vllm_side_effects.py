"""What starting vLLM in this process must not change, and what it must not see."""

import os
import random
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from medix.rollout.vllm_side_effects import environment, left_alone, proxies_hidden


def test_variables_are_set_inside_and_all_changes_gone_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIX_KEPT", "old")
    with environment({"MEDIX_KEPT": "new", "MEDIX_GIVEN": "1"}):
        assert os.environ["MEDIX_KEPT"] == "new"
        os.environ["MEDIX_LEFT"] = "by vLLM"
    assert os.environ["MEDIX_KEPT"] == "old"
    assert "MEDIX_GIVEN" not in os.environ
    assert "MEDIX_LEFT" not in os.environ


def test_random_states_and_threads_are_as_before() -> None:
    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    wanted = draws()
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    with left_alone():
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        torch.set_num_threads = lambda nthreads: None
    assert draws() == wanted
    torch.set_num_threads(torch.get_num_threads())
    assert torch.set_num_threads.__name__ == "set_num_threads"


class Proxy:
    """Raises wherever it is read, as Flask's ``current_app`` does outside of a request."""

    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]
        raise RuntimeError("Working outside of application context.")


@pytest.mark.parametrize(("device", "is_hidden"), [("cpu", True), ("cuda", False)])
def test_a_module_with_a_value_that_cannot_be_read_is_hidden_on_a_cpu(
    device: str, is_hidden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("medix_proxied")
    module.current = Proxy()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "medix_proxied", module)
    with proxies_hidden(torch.device(device)):
        assert ("medix_proxied" not in sys.modules) is is_hidden
        assert "random" in sys.modules
    assert sys.modules["medix_proxied"] is module
