"""What keeps its dtype where the weights of a policy are converted to a narrower one."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def only_weights_narrowed(model: nn.Module) -> Iterator[None]:
    """Inside, ``model.to(torch.bfloat16)`` converts weights, as Hugging Face does where it loads them in bfloat16.

    Buffers that are computed and not saved keep their dtype: the frequencies of rotary embeddings, rounded to bfloat16,
    would turn a position of 1,000 by radians. So do adapters, which peft adds in float32 to a bfloat16 model too.
    """
    buffers = [
        (module, name, buffer)
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and name in module._non_persistent_buffers_set and buffer.is_floating_point()
    ]
    adapters = [(name, weight.data) for name, weight in model.named_parameters() if ".lora_" in name]
    yield
    for module, name, before in buffers:
        now = module._buffers[name]
        if now is not None and _is_narrower(now, before):
            module._buffers[name] = before.to(now.device)
    present = dict(model.named_parameters())
    for name, value in adapters:
        if _is_narrower(present[name], value):
            present[name].data = value.to(present[name].device)


def _is_narrower(now: Tensor, before: Tensor) -> bool:
    return now.dtype.itemsize < before.dtype.itemsize
