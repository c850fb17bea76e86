"""Vectors of references, kept from one step to the next."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from medix.rewards.encoder import Encoder


class VectorTable:
    """A bounded table of what an encoder said of references, the least recently used ones dropped first.

    A reference comes again with every completion of its group and in every epoch; an answer seldom does, so that only
    references are kept. Vectors are kept as the encoder gave them, in its own precision: what is computed from a kept
    vector is what was computed from it at first, to the bit. The table belongs to one encoder object, is empty in every
    copy, and is no part of a checkpoint.

    Args:
        size: most vectors kept; 0 keeps none. 20,000 of 1,024 numbers in float32 take 82 MB.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"cached_references: {size} is no size; give the number of vectors to keep, 0 for none")
        self.size = size
        self.found = 0
        """References whose vector was at hand, since the table was made."""
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
        """Vectors of those texts that are at hand; an answer in the words of a reference is one of them.

        Args:
            encoder: whose vectors are asked for.
            texts: all that is compared.
            references: those of the texts that are counted as found or missed.
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
        """Add vectors of references; one that is not finite is asked for again the next time."""
        with self._lock:
            if self._encoder is not encoder or self.size == 0:
                return
            for text, vector in vectors.items():
                if bool(torch.isfinite(vector).all()):
                    self._vectors[text] = vector.clone()  # a row alone, not the whole batch that it is a row of
                    self._vectors.move_to_end(text)
            while len(self._vectors) > self.size:
                self._vectors.popitem(last=False)

    def forget(self) -> None:
        """Drop every vector."""
        with self._lock:
            self._vectors.clear()
