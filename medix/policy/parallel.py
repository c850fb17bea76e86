"""Weights in shares: every rank keeps a part of each weight, and a layer's weights are gathered where it computes.

FSDP2 of PyTorch (arXiv:2304.11277 describes its predecessor). Gathering is communication: where ranks make different
numbers of passes, as when they sample, ``gathered`` fetches everything first.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method


def shard(
    root: nn.Module,
    layers: Sequence[nn.Module],
    mesh: DeviceMesh,
    forward_methods: Sequence[str] = (),
    compute_dtype: torch.dtype | None = None,
) -> None:
    """Keep this rank's share of the weights of a module, in place.

    Args:
        root: holds the layers; what is in none of them is gathered for a whole pass.
        layers: gathered one at a time.
        mesh: the ranks, in one dimension.
        forward_methods: methods of the root, beside ``forward``, that compute with weights.
        compute_dtype: of gathered weights; gradients are then summed over ranks in float32. None computes in the
            dtype of the weights.
    """
    if mesh.ndim != 1:
        raise ValueError(f"shard: the mesh has {mesh.ndim} dimensions; give one dimension of it")
    if not layers:
        raise ValueError(
            f"shard: no transformer layers were found in {type(root).__name__}, so all of it would be gathered at "
            "once; train it with trainer.strategy: ddp"
        )
    precision = MixedPrecisionPolicy(
        param_dtype=compute_dtype, reduce_dtype=None if compute_dtype is None else torch.float32
    )
    for layer in layers:
        fully_shard(layer, mesh=mesh, mp_policy=precision)
    # Inputs of the root are groups and tokens, not activations.
    fully_shard(root, mesh=mesh, mp_policy=precision)
    for name in forward_methods:
        register_fsdp_forward_method(root, name)


def is_sharded(root: nn.Module) -> bool:
    """Whether ``shard`` was called on the module."""
    return isinstance(root, FSDPModule)


@contextmanager
def gathered(root: nn.Module) -> Iterator[None]:
    """All weights whole on every rank, inside; nothing changes where the module is not sharded.

    Every rank must enter it; inside, ranks may make as many passes as they like. No gradient may be asked for.
    """
    if not isinstance(root, FSDPModule):
        yield
        return
    parts = [part for part in root.modules() if isinstance(part, FSDPModule)]
    for part in parts:
        part.unshard()
    root.set_reshard_after_forward(False)
    try:
        yield
    finally:
        for part in parts:
            # The root's weights are needed first in the backward pass, so that it keeps them after the forward pass.
            part.set_reshard_after_forward(part is not root, recurse=False)
            part.reshard()
