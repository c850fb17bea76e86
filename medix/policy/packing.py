"""Groups packed into one row, each prompt once: ``[prompt | completion 1 | … | completion G | next prompt | …]``.

A token attends to its prompt and to its own completion, as if these were a row of their own. One function defines the
attention mask. From it come dense masks of a few rectangles ("tiles") that cover every unmasked entry, for attention
with a boolean mask, and a ``BlockMask`` of the whole row, for FlexAttention.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

WHOLE = 256
"""Groups of up to this many tokens are one tile: its masked entries cost less than further tiles would."""

MaskMod = Callable[[Any, Any, Any, Any], Tensor]
"""Batch, head, index of a query in the row, index of a key in the row: whether the query attends to the key."""


@dataclass(frozen=True)
class Tile:
    """Consecutive queries, the keys that they attend to, and the mask between them.

    Attributes:
        queries: indices in the row.
        keys: indices in the row, as one or two slices.
        mask: True where a query attends to a key; None for causal attention.
    """

    queries: slice
    keys: tuple[slice, ...]
    mask: Bool[Tensor, "query key"] | None


@dataclass(frozen=True)
class _Span:
    """A group in the row: index of its first token, length of its prompt, lengths of its completions."""

    start: int
    prompt: int
    completions: tuple[int, ...]

    @property
    def stop(self) -> int:
        return self.start + self.prompt + sum(self.completions)

    def completion_slices(self) -> Iterator[slice]:
        """Indices of each completion that is not empty."""
        start = self.start + self.prompt
        for length in self.completions:
            if length:
                yield slice(start, start + length)
            start += length


@dataclass(frozen=True)
class Cuts:
    """Sizes to split queries and keys into, once for all tiles of a row.

    Attributes:
        queries: number of queries of each tile.
        keys: length of each segment of keys.
        of_tile: indices of the segments that hold the keys of each tile.
    """

    queries: list[int]
    keys: list[int]
    of_tile: tuple[tuple[int, ...], ...]


class PackedRow:
    """The attention mask of a row of groups.

    Args:
        prompts: prompt length of each group.
        completions: lengths of the completions of each group; may be 0.
        blocks: for each group, the index of the bidirectional block of each prompt token, -1 outside blocks; None if
            the model has no such blocks.
        cached: number of prefix positions whose keys and values are cached; they have no queries in this pass.
        device: where masks are created.
    """

    def __init__(
        self,
        prompts: Sequence[int],
        completions: Sequence[Sequence[int]],
        blocks: Sequence[Int[Tensor, " _"]] | None = None,
        cached: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.cached = cached
        spans: list[_Span] = []
        for prompt, lengths in zip(prompts, completions, strict=True):
            spans.append(_Span(spans[-1].stop if spans else 0, prompt, tuple(lengths)))
        self.spans = tuple(spans)
        self.group = _numbers([(index, span.stop - span.start) for index, span in enumerate(spans)], device)
        self.completion = _numbers(
            [part for span in spans for part in ((-1, span.prompt), *enumerate(span.completions))], device
        )
        positions = [
            torch.arange(first, first + length, device=device)
            for span in spans
            for first, length in ((0, span.prompt), *((span.prompt, length) for length in span.completions))
        ]
        self.position = torch.cat(positions)
        """Position of each token in a row of its prompt and its completion alone; sliding windows count these."""
        self.block = None if blocks is None else self._spread(blocks)
        self._tiles: dict[int | None, tuple[Tile, ...]] = {}
        self._cuts: dict[int | None, Cuts] = {}

    def __len__(self) -> int:
        return self.spans[-1].stop

    def _spread(self, blocks: Sequence[Int[Tensor, " _"]]) -> Int[Tensor, " time"]:
        spread = torch.full_like(self.position, -1)
        for span, block in zip(self.spans, blocks, strict=True):
            spread[span.start : span.start + span.prompt] = block
        return spread

    def mask_mod(self, window: int | None = None) -> MaskMod:
        """The mask as a function of indices, as FlexAttention takes it.

        Args:
            window: number of tokens that a query attends to, itself included; None for all before it.
        """
        group, completion, position, block = self.group, self.completion, self.position, self.block

        def mask_mod(batch: Any, head: Any, query: Any, key: Any) -> Tensor:  # noqa: ARG001  # the same in all of them
            own = (group[query] == group[key]) & ((completion[key] == -1) | (completion[query] == completion[key]))
            ordered = position[key] <= position[query]
            if block is not None:
                ordered = ordered | ((block[query] >= 0) & (block[query] == block[key]))
            if window is not None:
                ordered = ordered & (position[key] > position[query] - window)
            attends: Tensor = own & ordered
            return attends

        return mask_mod

    def dense(
        self, queries: Int[Tensor, " query"], keys: Int[Tensor, " key"], window: int | None = None
    ) -> Bool[Tensor, "query key"]:
        """The mask between some queries and some keys."""
        return self.mask_mod(window)(None, None, queries[:, None], keys[None, :])

    def block_mask(self, window: int | None = None) -> Any:
        """The mask of the whole row as a ``BlockMask``."""
        from torch.nn.attention.flex_attention import create_block_mask

        mask_mod, device, size = self.mask_mod(window), self.position.device, len(self)
        # Compiled, the dense mask is never materialised. The lambda has the four parameters that are looked for.
        return create_block_mask(
            lambda b, h, q, k: mask_mod(b, h, q, k),
            None,
            None,
            size,
            size,
            device=str(device),
            _compile=device.type != "cpu",
        )

    def tiles(self, window: int | None = None) -> tuple[Tile, ...]:
        """Tiles that cover the queries of the row in order, without cached positions; computed once per window."""
        if window not in self._tiles:
            tiles = (self._uncached(tile) for span in self.spans for tile in self._tiles_of(span, window))
            self._tiles[window] = tuple(tile for tile in tiles if tile is not None)
        return self._tiles[window]

    def cuts(self, window: int | None = None) -> Cuts:
        """Where to split queries and keys; computed once per window."""
        if window not in self._cuts:
            tiles = self.tiles(window)
            edges = {edge for tile in tiles for part in tile.keys for edge in (part.start, part.stop)}
            starts = sorted({0, len(self)} | edges)
            number = {start: n for n, start in enumerate(starts)}
            self._cuts[window] = Cuts(
                queries=[tile.queries.stop - tile.queries.start for tile in tiles],
                keys=[stop - start for start, stop in pairwise(starts)],
                of_tile=tuple(
                    tuple(n for part in tile.keys for n in range(number[part.start], number[part.stop]))
                    for tile in tiles
                ),
            )
        return self._cuts[window]

    def _uncached(self, tile: Tile) -> Tile | None:
        """The part of a tile whose queries are not cached."""
        known = self.cached - tile.queries.start
        if known <= 0:
            return tile
        if self.cached >= tile.queries.stop or tile.mask is None:
            return None
        return Tile(slice(self.cached, tile.queries.stop), tile.keys, tile.mask[known:])

    def _tiles_of(self, span: _Span, window: int | None) -> Iterator[Tile]:
        whole, prompt = slice(span.start, span.stop), slice(span.start, span.start + span.prompt)
        if span.stop - span.start <= WHOLE:
            yield self._tile(whole, (whole,), window)
            return
        if self.block is None and (window is None or window >= span.prompt):
            yield Tile(prompt, (prompt,), None)
        else:
            yield self._tile(prompt, (prompt,), window)
        for completion in span.completion_slices():
            yield self._tile(completion, (prompt, completion), window)

    def _tile(self, queries: slice, keys: tuple[slice, ...], window: int | None) -> Tile:
        indices = torch.arange(len(self), device=self.position.device)
        return Tile(queries, keys, self.dense(indices[queries], torch.cat([indices[part] for part in keys]), window))


def runs(marked: Bool[Tensor, " time"]) -> Int[Tensor, " time"]:
    """Index of the run of marked tokens that each token belongs to, -1 on unmarked ones."""
    before = torch.nn.functional.pad(marked[:-1], (1, 0))
    return torch.where(marked, (marked & ~before).cumsum(0) - 1, -1)


def _numbers(parts: Sequence[tuple[int, int]], device: torch.device | str) -> Int[Tensor, " time"]:
    """Pairs of a number and a count, as a tensor that repeats each number."""
    numbers, times = torch.tensor(parts, device=device).unbind(1)
    return numbers.repeat_interleave(times)
