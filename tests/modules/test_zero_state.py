"""State of a ZeRO optimiser by parameter, as torch's own; what two ranks save is tested where they train."""

import pytest
import torch

from medix.modules.zero_state import ZeroState
from medix.policy.zero import ZeRO
from tests.support.divided import Check, complaints, divided, module

ROW = torch.tensor([[1.0, -2.0, 0.5]])


def _exchanged(stage: int) -> None:
    """Two steps of torch alone; and one of torch, whose state DeepSpeed takes for the second."""
    root = module()
    optimizer = torch.optim.AdamW(root.parameters(), lr=0.5)
    expected = []
    for _ in range(2):
        root.zero_grad()
        root(ROW).sum().backward()
        optimizer.step()
        weights = [one.detach().clone() for one in root.parameters()]
        expected.append((weights, {i: dict(s) for i, s in optimizer.state_dict()["state"].items()}))
        for entry in expected[-1][1].values():
            entry.update({name: value.clone() for name, value in entry.items()})
    other = module()
    with torch.no_grad():
        for one, weight in zip(other.parameters(), expected[0][0], strict=True):
            one.copy_(weight)
    engine = divided(stage, other, lr=0.1)
    parameters = list(other.parameters())
    held = ZeroState(engine.optimizer, [parameters])
    sharding = ZeRO(engine, [other[0]])
    assert held.state_dict()["state"] == {}
    given = {"state": expected[0][1], "param_groups": optimizer.state_dict()["param_groups"]}
    held.load(given, dict(zip(parameters, expected[0][0], strict=True)))
    _same(held, expected[0])
    assert held.state_dict()["param_groups"] == given["param_groups"]
    with sharding.micro_batch(is_last=True):
        engine.backward(other(ROW).sum())
    engine.step()
    _same(held, expected[1])


def _partial(stage: int) -> None:
    """The first weights have no state yet, as a vision tower that one process has shown no image."""
    root = module()
    parameters = list(root.parameters())
    weights = {one: one.detach().clone() for one in parameters}
    last = {"step": torch.tensor(3.0), "exp_avg": torch.full((1,), 0.25), "exp_avg_sq": torch.full((1,), 0.5)}
    saved = {"state": {3: last}, "param_groups": [{"params": [0, 1, 2, 3], "lr": 0.5}]}
    held = ZeroState(divided(stage, root).optimizer, [parameters])
    held.load(saved, weights)
    state = held.state_dict()["state"]
    assert all(torch.equal(state[3][name], value) for name, value in last.items())
    assert not any(state[index]["exp_avg"].any() or state[index]["exp_avg_sq"].any() for index in range(3))


def _same(held: ZeroState, expected: tuple[list[torch.Tensor], dict[int, dict[str, torch.Tensor]]]) -> None:
    for (_, found), weight in zip(held.weights(), expected[0], strict=True):
        torch.testing.assert_close(found, weight, rtol=0, atol=1e-6)
    state = held.state_dict()["state"]
    for index, entry in expected[1].items():
        assert state[index].keys() == entry.keys()
        for name, value in entry.items():
            torch.testing.assert_close(state[index][name], value, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[Check, str]:
    checks: list[Check] = [(check, (stage,)) for check in (_exchanged, _partial) for stage in (1, 2, 3)]
    return complaints(checks, tmp_path_factory.mktemp("zero"))


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_a_state_of_torch_is_taken_and_given_back(said: dict[Check, str], stage: int) -> None:
    assert said[_exchanged, (stage,)] == ""


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_parameters_without_state_begin_at_zeros(said: dict[Check, str], stage: int) -> None:
    assert said[_partial, (stage,)] == ""
