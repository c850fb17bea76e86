"""A reference that torch does not see."""

import copy

import torch

from medix.rewards import Held


def test_a_held_module_is_no_submodule_and_copies_share_it() -> None:
    host, network = torch.nn.Module(), torch.nn.Linear(1, 1)
    host.held = Held(network)
    assert not list(host.parameters())
    assert copy.deepcopy(host).held.value is network
