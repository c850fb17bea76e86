"""A cache of reference embeddings."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from medix.rewards.encoder import Encoder


class VectorTable:
    """A bounded cache of reference embeddings, which drops the least recently used ones first.

    Only references are cached, because they recur with every completion of their group and in every epoch, and answers
    seldom do. Embeddings are kept in the encoder's own precision, so that results computed from them are bit-identical
    to the first ones. The cache belongs to one encoder object, is empty in every copy, and is not part of a checkpoint.

    Args:
        size: maximum number of embeddings; 0 keeps none. 20,000 of 1,024 numbers in float32 take 82 MB.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"cached_references: {size} is not a size; give a number of embeddings, 0 for none")
        self.size = size
        self.found = 0
        """References that were cached, since the table was created."""
        self.missed = 0
        """References that had to be encoded."""
        self._encoder: Encoder | None = None
        self._vectors: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = threading.Lock()  # copies of a component share the table

    def __len__(self) -> int:
        return len(self._vectors)

    def __reduce__(self) -> tuple[type["VectorTable"], tuple[int]]:
        return VectorTable, (self.size,)

    def look_up(self, encoder: Encoder, texts: Iterable[str], references: Iterable[str]) -> dict[str, Tensor]:
        """Return the cached embeddings among those of the texts, which may include an answer equal to a reference.

        Args:
            encoder: the encoder in use.
            texts: answers and references to compare.
            references: those texts that are counted as found or missed.
        """
        with self._lock:
            if self._encoder is not encoder:
                self._vectors.clear()
                self._encoder = encoder
            known = {text: self._vectors[text] for text in texts if text in self._vectors}
            for text in references:
                if text in known:
                    self._vectors.move_to_end(text)
                    self.found += 1
                else:
                    self.missed += 1
            return known

    def keep(self, encoder: Encoder, vectors: Mapping[str, Tensor]) -> None:
        """Add embeddings of references; one that is not finite is not kept."""
        with self._lock:
            if self._encoder is not encoder or self.size == 0:
                return
            for text, vector in vectors.items():
                if bool(torch.isfinite(vector).all()):
                    self._vectors[text] = vector.clone()  # not a view, which would keep the whole batch alive
                    self._vectors.move_to_end(text)
            while len(self._vectors) > self.size:
                self._vectors.popitem(last=False)

    def forget(self) -> None:
        """Drop all embeddings."""
        with self._lock:
            self._vectors.clear()
