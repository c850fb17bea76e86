"""Weights in shares: refusals, and a sharded module that computes as before."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from medix.policy.fully_sharded import FullySharded, shard
from medix.policy.shards import holds_parts


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[DeviceMesh]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


def module() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def test_a_module_without_layers_is_refused(mesh: DeviceMesh) -> None:
    with pytest.raises(ValueError, match="no transformer layers"):
        shard(module(), [], mesh)


def test_weights_are_whole_inside_and_shares_outside_although_passes_ran(mesh: DeviceMesh) -> None:
    root = module()
    rows = torch.ones(1, 3)
    expected = root(rows).detach()
    shard(root, [root[0]], mesh)
    assert holds_parts(root)
    for _ in range(2):
        with FullySharded().gathered(root), torch.no_grad():
            assert torch.equal(root(rows), expected)
            assert torch.equal(root(rows), expected)
            assert not any(isinstance(weight, DTensor) for weight in root.parameters())
        assert all(isinstance(weight, DTensor) for weight in root.parameters())


def test_after_gathering_layers_are_released_after_each_pass_again(mesh: DeviceMesh) -> None:
    root = module()
    shard(root, [root[0]], mesh)
    with FullySharded().gathered(root):
        pass
    assert isinstance(root[0], FSDPModule)
    with torch.no_grad():
        root(torch.ones(1, 3))
    assert isinstance(root[0].weight, DTensor)


def test_mixed_precision_computes_in_one_dtype_and_keeps_another(mesh: DeviceMesh) -> None:
    root = module()
    shard(root, [root[0]], mesh, compute_dtype=torch.bfloat16)
    output = root(torch.ones(1, 3))
    assert output.dtype == torch.bfloat16
    output.sum().backward()
    assert {weight.dtype for weight in root.parameters()} == {torch.float32}
    assert all(weight.grad is not None and weight.grad.dtype == torch.float32 for weight in root.parameters())
