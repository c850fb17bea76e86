"""Recognising errors that mean: not enough memory."""

import errno

import torch

_MESSAGES = ("not enough memory", "can't allocate memory", "bad alloc", "bad_alloc", "out of memory",
          "can't start new thread", "could not create a primitive", "could not create a memory")  # fmt: skip


def is_memory_error(error: BaseException) -> bool:
    """Whether an error means that memory is exhausted; on a CPU torch raises a plain ``RuntimeError`` for it."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(message in text for message in _MESSAGES)
