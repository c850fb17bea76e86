"""Encoders with vectors chosen by the test."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class CountingEncoder:
    """Vectors by text; a text it does not know gets one of its own, at a right angle to all others."""

    vectors: dict[str, list[float]] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)

    def encode(self, texts: list[str], /) -> Any:
        self.calls.append(list(texts))
        known = [*self.vectors, *(text for text in dict.fromkeys(texts) if text not in self.vectors)]
        table = np.zeros((len(texts), 3 + len(known)))
        for row, text in enumerate(texts):
            if text in self.vectors:
                table[row, : len(self.vectors[text])] = self.vectors[text]
            else:
                table[row, 3 + known.index(text)] = 1.0
        return table
