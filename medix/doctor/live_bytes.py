"""Bytes of the tensors that are alive while a piece of code runs, operation by operation."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.nn import Parameter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # of its subclass hook
    """Counts the storages of tensors from their creation inside the context to their end.

    What a kernel allocates for itself, and what an allocator keeps in reserve, is not seen.

    Args:
        at_peak: called at each new peak.

    Attributes:
        now: bytes that are alive.
        peak: the most so far.
    """

    def __init__(self, at_peak: Callable[[], None] = lambda: None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.peak = 0
        self._at_peak = at_peak
        self._alive: dict[int, tuple[int, tuple[int, ...], weakref.ref[Any]]] = {}

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Count tensors that are there already."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            key, size = storage._cdata, storage.nbytes()
            if key in self._alive:
                continue

            def end(_: object, key: int = key, size: int = size) -> None:
                del self._alive[key]
                self.now -= size

            self._alive[key] = (size, tuple(tensor.shape), weakref.ref(storage, end))
            self.now += size
        if self.now > self.peak:
            self.peak = self.now
            self._at_peak()

    def bytes_of(self, wanted: Callable[[tuple[int, ...]], bool]) -> int:
        """Bytes of storages that are alive whose tensors had a shape for which ``wanted(shape)`` is true."""
        return sum(size for size, shape, _ in self._alive.values() if wanted(shape))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it made; that of a wrapper, such as a quantised tensor, by its parts."""
        if any(issubclass(kind, Tensor) and kind not in (Tensor, Parameter) for kind in types):
            return NotImplemented
        made = func(*args, **(kwargs or {}))
        self.add(leaf for leaf in tree_leaves(made) if isinstance(leaf, Tensor))
        return made
