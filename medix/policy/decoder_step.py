"""One token of each row through a decoder, in few operations.

While a handful of rows is decoded, what takes time beside reading the weights is the number of operations: after each
large product the next small one finds its instructions and operands outside the nearest caches. Therefore layers with
the same input are one product (``packed_linear``), and query and key heads are normalised and rotated together.

Layers are read by the names that Hugging Face gives their parts. Whether that is all they do is not known here, and a
comparison of a few tokens may not show it, as where queries are scaled by positions beyond some thousand: only families
that are tested are decoded so, and ``why_not_shared`` compares their logits with the model's own besides.
"""

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from medix.policy.decoding import next_positions
from medix.policy.packed_linear import Packing
from medix.policy.shared_cache import SharedCache

_Rotation = tuple[Float[Tensor, "row 1 width"], Float[Tensor, "row 1 width"]]


class DecoderStep:
    """The layers of a decoder and its head, as they are when this is made: its weights may be copies.

    Args:
        model: a Hugging Face model.

    Raises:
        AttributeError: its layers have other parts.
    """

    def __init__(self, model: Any) -> None:
        decoder = model.get_decoder()
        packing = Packing()
        self._embed = decoder.embed_tokens
        self._rotary = decoder.rotary_emb
        # Gemma has a rotation for each kind of layer; elsewhere there is one.
        by_kind = "layer_type" in signature(self._rotary.forward).parameters
        self._kinds = tuple(decoder.config.layer_types) if by_kind else (None,) * len(decoder.layers)
        self._layers = [_Layer(layer, packing) for layer in decoder.layers]
        self._norm = _Norm(decoder.norm)
        self._head = packing.product(model.get_output_embeddings())

    def __call__(
        self, tokens: Int[Tensor, " row"], positions: Int[Tensor, " row"], axes: int, cache: SharedCache
    ) -> Float[Tensor, "row vocab"]:
        """Logits of the tokens after these, whose keys and values are written to the cache.

        Args:
            tokens: of each row.
            positions: of these tokens.
            axes: as ``Decoding.axes``.
            cache: of the rows.
        """
        hidden = self._embed(tokens)
        rotations = self._rotations(hidden[:, None], next_positions(positions, axes))
        for index, (layer, kind) in enumerate(zip(self._layers, self._kinds, strict=True)):
            hidden = layer(hidden, rotations[kind], index, cache)
        return self._head(self._norm(hidden))

    def _rotations(self, hidden: Tensor, positions: Tensor) -> Mapping[str | None, _Rotation]:
        """Cosine and sine of each kind of layer; the sine has the sign of ``rotate_half``."""
        found = {}
        for kind in set(self._kinds):
            cos, sin = self._rotary(hidden, positions) if kind is None else self._rotary(hidden, positions, kind)
            lower, upper = sin.chunk(2, dim=-1)
            found[kind] = (cos.view(len(cos), 1, -1), torch.cat([-lower, upper], dim=-1).view(len(cos), 1, -1))
        return found


class _Layer:
    """One layer: attention and a feed-forward part, each added to its input."""

    def __init__(self, layer: Any, packing: Packing) -> None:
        attention = layer.self_attn
        self.width: int = attention.head_dim
        self.scale: float = attention.scaling
        self.projections = packing.product(attention.q_proj, attention.k_proj, attention.v_proj)
        self.output = packing.product(attention.o_proj)
        self.key_heads = attention.k_proj.out_features // self.width
        self.query_heads = attention.q_proj.out_features // self.width
        self.head_norm: _Norm | None = None
        if hasattr(attention, "q_norm"):
            self.head_norm = _HeadNorm(attention.q_norm, attention.k_norm, self.query_heads, self.key_heads)
        sandwiched = hasattr(layer, "pre_feedforward_layernorm")  # Gemma: also what a part returns is normalised
        self.before_attention = _Norm(layer.input_layernorm)
        self.after_attention = _Norm(layer.post_attention_layernorm) if sandwiched else None
        self.before_mlp = _Norm(layer.pre_feedforward_layernorm if sandwiched else layer.post_attention_layernorm)
        self.after_mlp = _Norm(layer.post_feedforward_layernorm) if sandwiched else None
        self.mlp: Callable[[Tensor], Tensor] = (
            _GatedMLP(layer.mlp, packing) if _is_gated(layer.mlp) else _Rows(layer.mlp)
        )

    def __call__(
        self, hidden: Float[Tensor, "row hidden"], rotation: _Rotation, index: int, cache: SharedCache
    ) -> Float[Tensor, "row hidden"]:
        rows = self.projections(self.before_attention(hidden)).view(len(hidden), -1, self.width)
        turned, values = rows[:, : -self.key_heads], rows[:, -self.key_heads :]
        if self.head_norm is not None:
            turned = self.head_norm(turned)
        cos, sin = rotation
        # rotate_half(x) * sin, with the halves exchanged and the sign in the sine
        turned = torch.addcmul(turned * cos, turned.roll(self.width // 2, dims=-1), sin)
        queries, keys = turned[:, : self.query_heads], turned[:, self.query_heads :]
        attended = self.output(cache.attend(queries, keys, values, index, self.scale))
        hidden = hidden + (attended if self.after_attention is None else self.after_attention(attended))
        fed = self.mlp(self.before_mlp(hidden))
        return hidden + (fed if self.after_mlp is None else self.after_mlp(fed))


class _Norm:
    """A root-mean-square norm, by the length of a row: x / sqrt(mean(x²) + ε) = √d · x / hypot(|x|, √(d · ε)).

    Rows of a narrower dtype than float32 go through the module, because families round at different places.

    Attributes:
        weight: √d times what the module multiplies by, which is 1 + weight in Gemma's.
        least: √(d · ε).
    """

    def __init__(self, norm: Any) -> None:
        self.module = norm
        epsilon = float(norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps)
        weight: Tensor = norm(torch.ones_like(norm.weight, dtype=torch.float32))
        size = weight.shape[-1]
        self.weight = weight * (size * (1 + epsilon)) ** 0.5
        self.least = torch.full((), (size * epsilon) ** 0.5, device=weight.device)

    def __call__(self, rows: Tensor) -> Tensor:
        if rows.dtype != torch.float32:
            return self._narrow(rows)
        length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
        return (rows / torch.hypot(length, self.least)).mul_(self.weight)

    def _narrow(self, rows: Tensor) -> Tensor:
        normalised: Tensor = self.module(rows)
        return normalised


class _HeadNorm(_Norm):
    """The norms of query heads and of key heads as one, of ``[row, head, width]``."""

    def __init__(self, queries: Any, keys: Any, query_heads: int, key_heads: int) -> None:
        super().__init__(queries)
        self.keys = keys
        self.query_heads = query_heads
        self.weight = torch.cat([self.weight.expand(query_heads, -1), _Norm(keys).weight.expand(key_heads, -1)])

    def _narrow(self, rows: Tensor) -> Tensor:
        queries, keys = rows[:, : self.query_heads], rows[:, self.query_heads :]
        return torch.cat([self.module(queries), self.keys(keys)], dim=1)


class _GatedMLP:
    """``down(act(gate(x)) * up(x))``."""

    def __init__(self, mlp: Any, packing: Packing) -> None:
        self.gate_and_up = packing.product(mlp.gate_proj, mlp.up_proj)
        self.activation = mlp.act_fn
        self.down = packing.product(mlp.down_proj)

    def __call__(self, rows: Tensor) -> Tensor:
        gate, up = self.gate_and_up(rows).chunk(2, dim=-1)
        return self.down(self.activation(gate) * up)


class _Rows:
    """A module that takes ``[row, time, width]``: experts, for one."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, rows: Tensor) -> Tensor:
        output: Tensor = self.module(rows[:, None])
        return output[:, 0]


def _is_gated(mlp: Any) -> bool:
    return all(hasattr(mlp, name) for name in ("gate_proj", "up_proj", "down_proj", "act_fn"))
