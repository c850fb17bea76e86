"""Sharded weights with FSDP2: every rank keeps a shard of each weight, and layers gather their weights to compute.

arXiv:2304.11277 describes FSDP2's predecessor. Gathering is a collective: where ranks run different numbers of passes,
as in sampling, ``gathered`` gathers all weights beforehand.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

from medix.policy.sharding import Sharding


def shard(
    root: nn.Module,
    layers: Sequence[nn.Module],
    mesh: DeviceMesh,
    forward_methods: Sequence[str] = (),
    compute_dtype: torch.dtype | None = None,
) -> None:
    """Shard the weights of a module over ranks, in place.

    Args:
        root: contains the layers; its other weights are gathered for a whole pass.
        layers: gathered one at a time.
        mesh: the ranks, in one dimension.
        forward_methods: methods of the root, beside ``forward``, that compute with weights.
        compute_dtype: dtype of gathered weights; gradients are then reduced over ranks in float32. None computes in
            the dtype of the weights.
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


class FullySharded(Sharding):
    """Every rank holds a shard of each weight, as ``shard`` distributed them."""

    gathers_weights = True
    reduces_every_pass = True

    @contextmanager
    def gathered(self, policy: nn.Module) -> Iterator[None]:
        assert isinstance(policy, FSDPModule)
        parts = [part for part in policy.modules() if isinstance(part, FSDPModule)]
        for part in parts:
            part.unshard()
        policy.set_reshard_after_forward(False)
        try:
            yield
        finally:
            for part in parts:
                # The root keeps its weights after the forward pass: the backward pass needs them first.
                part.set_reshard_after_forward(part is not policy, recurse=False)
                part.reshard()

    def release(self, policy: nn.Module) -> None:
        for part in policy.modules():
            if isinstance(part, FSDPModule):
                part.reshard()
