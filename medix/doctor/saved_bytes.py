"""What one transformer layer keeps of a pass for its backward pass, in bytes per token.

The numbers are those of Qwen3-VL, found as the change of the live bytes from layer to layer while widths, heads and
lengths were changed one at a time: least squares over six to eight models left at most 0.3 bytes. Other families
differ in their norms. ``tools/bench_memory_plan.py`` compares the sums with measured peaks.
"""

from dataclasses import dataclass
from typing import Literal

from medix.doctor.model_size import Layer

Precision = Literal["float32", "16-bit", "autocast"]
"""``16-bit``: weights and computation have 16 bits; ``autocast``: only the computation."""


Adapters = Literal["", "float32", "16-bit"]
"""Precision of LoRA's adapters inside a pass; empty without adapters."""


@dataclass(frozen=True)
class SavedBytes:
    """Bytes per token, for each unit of the widths of a layer.

    Attributes:
        number: of one number in the precision of the computation.
        in_experts: of one number inside experts, which autocast leaves in float32.
        residual: of one number of the residual stream, which is the input of a layer.
        hidden: the residual stream, norms and inputs of projections, for each unit of the hidden size.
        intermediate: numbers, not bytes, inside the MLP, for each unit of its width.
        query: queries, and keys and values repeated for each query head.
        key: keys and values before that.
        adapter: inside LoRA's adapters, for each unit of their rank.
        gated: whether the MLP multiplies two projections.
    """

    number: int
    in_experts: int
    residual: int
    hidden: int
    intermediate: int
    query: int
    key: int
    adapter: int = 0
    gated: bool = True

    def of(self, layer: Layer, rank: int = 0) -> int:
        """Bytes per token of a layer.

        Args:
            layer: its widths. Each expert that a token is routed to saves the token's input and its output.
            rank: of LoRA's adapters; 0 without.
        """
        frozen = int(self.adapter > 0 and layer.experts_per_token > 0)  # experts have no adapters, and save no inputs
        return (
            (self.hidden + (2 - frozen) * self.in_experts * layer.experts_per_token) * layer.hidden_size
            + (self.intermediate - frozen) * self._in_mlp(layer) * layer.intermediate_size
            + self.query * layer.query_width
            + self.key * layer.key_width
            + self.adapter * rank
        )

    def gradients(self, layer: Layer) -> int:
        """Bytes per token of gradients inside a layer at the time when all that the layer saved is still there.

        This is in its MLP, where the backward pass begins. With experts it is the larger of two moments: three copies
        of the outputs of all experts, or both factors of the gate.
        """
        inside = (2 if self.gated else 1) * self._in_mlp(layer) * layer.intermediate_size
        outputs = self.in_experts * layer.experts_per_token * layer.hidden_size
        return max(inside - outputs, 3 * outputs)

    def _in_mlp(self, layer: Layer) -> int:
        return self.in_experts if layer.experts_per_token else self.number

    def between_tokens(self, layer: Layer, joined: int, masked: int) -> int:
        """Bytes of a layer that pairs of tokens need, in attention over shared prompts.

        Args:
            layer: its widths.
            joined: tokens of the keys and values that are copied next to each completion.
            masked: entries of attention masks.
        """
        return self.number * (2 * layer.query_width * joined + masked)


_TEXT: dict[tuple[Precision, bool], SavedBytes] = {
    ("float32", False): SavedBytes(4, 4, 4, 24, 4, 28, 8),
    ("16-bit", False): SavedBytes(2, 2, 2, 16, 4, 16, 6),
    ("autocast", False): SavedBytes(2, 4, 4, 26, 4, 14, 6),
    ("float32", True): SavedBytes(4, 4, 4, 16, 4, 24, 4, adapter=28),
    ("16-bit", True): SavedBytes(2, 2, 2, 12, 4, 14, 4, adapter=14),
    ("autocast", True): SavedBytes(2, 4, 4, 18, 4, 12, 4, adapter=14),
}
_VISION: dict[Precision, SavedBytes] = {
    "float32": SavedBytes(4, 4, 4, 44, 2, 0, 0, adapter=16, gated=False),
    "16-bit": SavedBytes(2, 2, 2, 22, 2, 0, 0, adapter=8, gated=False),
    "autocast": SavedBytes(2, 2, 2, 22, 2, 0, 0, adapter=8, gated=False),
}
_TEXT_FLOAT32_ADAPTERS = SavedBytes(2, 2, 2, 28, 5, 16, 4, adapter=28)
_VISION_FLOAT32_ADAPTERS = SavedBytes(2, 2, 2, 28, 3, 0, 0, adapter=16, gated=False)
"""Adapters in float32 on 16-bit weights keep a float32 copy of the input of each projection."""


def saved_by_text(precision: Precision, adapters: Adapters = "") -> SavedBytes:
    """Of the layers of the language model.

    Args:
        precision: of the pass.
        adapters: inside the pass.
    """
    if precision == "16-bit" and adapters == "float32":
        return _TEXT_FLOAT32_ADAPTERS
    return _TEXT[precision, bool(adapters)]


def saved_by_vision(precision: Precision, adapters: Adapters = "") -> SavedBytes:
    """Of the layers of the vision tower."""
    return _VISION_FLOAT32_ADAPTERS if precision == "16-bit" and adapters == "float32" else _VISION[precision]
