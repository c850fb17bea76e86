"""Encoders with vectors chosen by the test."""

import hashlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np


@dataclass
class CountingEncoder:
    """Vectors by text; a text it does not know gets one of its own, at a right angle to all others, and keeps it."""

    vectors: dict[str, list[float]] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)
    _own: dict[str, int] = field(default_factory=dict, compare=False)

    def encode(self, texts: list[str], /) -> Any:
        self.calls.append(list(texts))
        table = np.zeros((len(texts), 3 + 500))
        for row, text in enumerate(texts):
            if text in self.vectors:
                table[row, : len(self.vectors[text])] = self.vectors[text]
            else:
                table[row, 3 + self._own.setdefault(text, len(self._own))] = 1.0
        return table


class WordEncoder:
    """Vectors by the words of a text, the same on every machine: texts that share words are near each other.

    A pure function of each string, as the protocol asks. Texts without any word are near nothing.
    """

    width = 64

    def __init__(self, dtype: Any = np.float32) -> None:
        self.dtype = dtype
        self.calls: list[list[str]] = []

    def encode(self, texts: list[str], /) -> Any:
        self.calls.append(list(texts))
        table = np.zeros((len(texts), self.width), dtype=self.dtype)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                table[row] += _vector(word).astype(self.dtype)
        return table


@cache
def _vector(word: str) -> "np.ndarray[Any, Any]":
    digest = hashlib.sha256(word.encode()).digest()
    return np.frombuffer(digest * 2, dtype=np.uint8).astype(np.float64) - 127.5
