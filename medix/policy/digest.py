"""Digests of the contents of tensors."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

_WIDTH = 4096
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def digests(parts: Sequence[Mapping[str, Tensor]]) -> list[str]:
    """One digest of the names, shapes, dtypes and contents of the tensors of each part.

    On the CPU contents are hashed. On an accelerator they are reduced to checksums, which avoids copying them.
    """
    sums = [content_sums(value) for part in parts for _, value in sorted(part.items()) if value.device.type != "cpu"]
    numbers: Iterator[list[int]] = iter(torch.stack(sums).tolist() if sums else [])
    return [_digest(part, numbers) for part in parts]


def content_sums(value: Tensor) -> Tensor:
    """Two checksums of the bits of a tensor, on its device.

    Each is the sum, modulo 2**64, of all elements as integers, each multiplied by a random factor for its row and one
    for its column. Different contents have equal checksums with a probability of about 2**-64.
    """
    integers = value.detach().contiguous().flatten().view(_INTEGERS[value.element_size()]).to(torch.int64)
    rows = nn.functional.pad(integers, (0, -len(integers) % _WIDTH)).view(-1, _WIDTH)
    across, down = _factors(_WIDTH, 1, value.device), _factors(len(rows), 2, value.device)
    return torch.stack([((rows * across[n]).sum(dim=1) * down[n]).sum() for n in range(2)])


def _digest(part: Mapping[str, Tensor], sums: Iterator[list[int]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(part.items()):
        digest.update(f"{name}:{value.dtype}:{tuple(value.shape)}:".encode())
        if value.device.type == "cpu":
            digest.update(value.detach().contiguous().flatten().view(torch.uint8).numpy().data)
        else:
            digest.update(str(next(sums)).encode())
    return digest.hexdigest()


@lru_cache(maxsize=256)
def _factors(count: int, seed: int, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-(2**63), 2**63 - 1, (2, count), generator=generator).to(device) | 1
