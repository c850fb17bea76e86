"""Weights that lie in parts, whole and by part; what two ranks hold is tested where they train."""

from pathlib import Path

import torch
from torch import nn

from medix.policy.shards import holds_parts, numel, own_part, whole
from tests.support.divided import complaints, divided, module


def test_a_plain_weight_is_its_own_part_and_not_copied() -> None:
    layer = nn.Linear(3, 2)
    for found in (whole(layer.weight), own_part(layer.weight)):
        assert found.data_ptr() == layer.weight.data_ptr()
        assert not found.requires_grad
    assert numel(layer.weight) == 6
    assert not holds_parts(layer)


def _emptied() -> None:
    root, expected = module(), module()
    divided(3, root)
    for weight, same in zip(root.parameters(), expected.parameters(), strict=True):
        assert weight.numel() == 0
        assert numel(weight) == same.numel()
        assert torch.equal(whole(weight), same)
        assert torch.equal(own_part(weight).flatten(), same.flatten())  # of one rank, all of it
        assert weight.numel() == 0
    assert holds_parts(root)


def test_a_weight_that_deepspeed_emptied_is_gathered_and_emptied_again(tmp_path: Path) -> None:
    assert complaints([(_emptied, ())], tmp_path) == {(_emptied, ()): ""}
