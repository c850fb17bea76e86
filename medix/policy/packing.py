"""Groups side by side in one row, each prompt once: ``[prompt | completion 1 | … | completion G | next prompt | …]``.

A token may see its prompt and its own completion, as if they stood in a row of their own. One function says who sees
whom. From it come the dense masks of a few rectangles ("tiles") that hold everything that is seen, for attention that
takes a boolean mask, and a ``BlockMask`` of the whole row, for FlexAttention.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

WHOLE = 256
"""Tokens up to which a group is one tile: what it computes for nothing costs less than more tiles would."""

Sees = Callable[[Any, Any, Any, Any], Tensor]
"""Batch, head, place of a query in the row, place of a key in the row: whether the one sees the other."""


@dataclass(frozen=True)
class Tile:
    """Queries beside each other, the only keys that they see, and which of these each sees.

    Attributes:
        queries: places in the row.
        keys: places in the row, in one stretch or two.
        seen: True where a query sees a key; None if each sees those up to its own place.
    """

    queries: slice
    keys: tuple[slice, ...]
    seen: Bool[Tensor, "query key"] | None


@dataclass(frozen=True)
class _Span:
    """Where a group stands: the place it starts at, tokens of its prompt, of its completions."""

    start: int
    prompt: int
    completions: tuple[int, ...]

    @property
    def stop(self) -> int:
        return self.start + self.prompt + sum(self.completions)

    def stretches(self) -> Iterator[slice]:
        """The places of each completion that has any."""
        place = self.start + self.prompt
        for length in self.completions:
            if length:
                yield slice(place, place + length)
            place += length


@dataclass(frozen=True)
class Cuts:
    """The tiles of a row in terms of stretches that it is cut into once.

    Attributes:
        queries: length of the queries of each tile.
        keys: length of each stretch of keys.
        of_tile: numbers of the stretches that hold the keys of each tile.
    """

    queries: list[int]
    keys: list[int]
    of_tile: tuple[tuple[int, ...], ...]


class PackedRow:
    """Who sees whom in a row of groups.

    Args:
        prompts: tokens of the prompt of each group.
        completions: of each group, tokens of its completions; a completion without tokens takes no place.
        blocks: of each group, for each token of its prompt the number of the block whose tokens see each other in both
            directions, -1 where there is none; None if the model has no such blocks.
        passed: places at the beginning of the row that are keys only: their queries were computed before.
        device: where masks are made.
    """

    def __init__(
        self,
        prompts: Sequence[int],
        completions: Sequence[Sequence[int]],
        blocks: Sequence[Int[Tensor, " _"]] | None = None,
        passed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.passed = passed
        spans: list[_Span] = []
        for prompt, lengths in zip(prompts, completions, strict=True):
            spans.append(_Span(spans[-1].stop if spans else 0, prompt, tuple(lengths)))
        self.spans = tuple(spans)
        self.group = _numbers([(index, span.stop - span.start) for index, span in enumerate(spans)], device)
        self.completion = _numbers(
            [part for span in spans for part in ((-1, span.prompt), *enumerate(span.completions))], device
        )
        stretches = [
            torch.arange(first, first + length, device=device)
            for span in spans
            for first, length in ((0, span.prompt), *((span.prompt, length) for length in span.completions))
        ]
        self.place = torch.cat(stretches)
        """Of each token, its place in the row it would have alone with its prompt: what a window counts."""
        self.block = None if blocks is None else self._spread(blocks)
        self._tiles: dict[int | None, tuple[Tile, ...]] = {}
        self._cuts: dict[int | None, Cuts] = {}

    def __len__(self) -> int:
        return self.spans[-1].stop

    def _spread(self, blocks: Sequence[Int[Tensor, " _"]]) -> Int[Tensor, " place"]:
        spread = torch.full_like(self.place, -1)
        for span, block in zip(self.spans, blocks, strict=True):
            spread[span.start : span.start + span.prompt] = block
        return spread

    def sees(self, window: int | None = None) -> Sees:
        """The rule, on tensors of places; as FlexAttention asks for it.

        Args:
            window: tokens that a query sees, itself included; None for all before it.
        """
        group, completion, place, block = self.group, self.completion, self.place, self.block

        def rule(batch: Any, head: Any, query: Any, key: Any) -> Tensor:  # noqa: ARG001  # the same in all of them
            own = (group[query] == group[key]) & ((completion[key] == -1) | (completion[query] == completion[key]))
            ordered = place[key] <= place[query]
            if block is not None:
                ordered = ordered | ((block[query] >= 0) & (block[query] == block[key]))
            if window is not None:
                ordered = ordered & (place[key] > place[query] - window)
            seen: Tensor = own & ordered
            return seen

        return rule

    def dense(
        self, queries: Int[Tensor, " query"], keys: Int[Tensor, " key"], window: int | None = None
    ) -> Bool[Tensor, "query key"]:
        """The rule as a mask of some places."""
        return self.sees(window)(None, None, queries[:, None], keys[None, :])

    def block_mask(self, window: int | None = None) -> Any:
        """The rule as a ``BlockMask`` of the whole row."""
        from torch.nn.attention.flex_attention import create_block_mask

        rule, device, size = self.sees(window), self.place.device, len(self)
        # Compiled, the mask of single places never exists. The lambda keeps the four arguments in sight.
        return create_block_mask(
            lambda b, h, q, k: rule(b, h, q, k),
            None,
            None,
            size,
            size,
            device=str(device),
            _compile=device.type != "cpu",
        )

    def tiles(self, window: int | None = None) -> tuple[Tile, ...]:
        """Tiles that cover the queries of the row in order, those behind ``passed``; made once per window."""
        if window not in self._tiles:
            tiles = (self._unpassed(tile) for span in self.spans for tile in self._tiles_of(span, window))
            self._tiles[window] = tuple(tile for tile in tiles if tile is not None)
        return self._tiles[window]

    def cuts(self, window: int | None = None) -> Cuts:
        """Where to cut queries and keys; made once per window."""
        if window not in self._cuts:
            tiles = self.tiles(window)
            edges = {edge for tile in tiles for part in tile.keys for edge in (part.start, part.stop)}
            places = sorted({0, len(self)} | edges)
            number = {place: n for n, place in enumerate(places)}
            self._cuts[window] = Cuts(
                queries=[tile.queries.stop - tile.queries.start for tile in tiles],
                keys=[stop - start for start, stop in pairwise(places)],
                of_tile=tuple(
                    tuple(n for part in tile.keys for n in range(number[part.start], number[part.stop]))
                    for tile in tiles
                ),
            )
        return self._cuts[window]

    def _unpassed(self, tile: Tile) -> Tile | None:
        """The queries of a tile that are still to be computed."""
        known = self.passed - tile.queries.start
        if known <= 0:
            return tile
        if self.passed >= tile.queries.stop or tile.seen is None:
            return None
        return Tile(slice(self.passed, tile.queries.stop), tile.keys, tile.seen[known:])

    def _tiles_of(self, span: _Span, window: int | None) -> Iterator[Tile]:
        whole, prompt = slice(span.start, span.stop), slice(span.start, span.start + span.prompt)
        if span.stop - span.start <= WHOLE:
            yield self._tile(whole, (whole,), window)
            return
        if self.block is None and (window is None or window >= span.prompt):
            yield Tile(prompt, (prompt,), None)
        else:
            yield self._tile(prompt, (prompt,), window)
        for stretch in span.stretches():
            yield self._tile(stretch, (prompt, stretch), window)

    def _tile(self, queries: slice, keys: tuple[slice, ...], window: int | None) -> Tile:
        at = torch.arange(len(self), device=self.place.device)
        return Tile(queries, keys, self.dense(at[queries], torch.cat([at[part] for part in keys]), window))


def runs(marked: Bool[Tensor, " time"]) -> Int[Tensor, " time"]:
    """Number of the stretch of marked tokens that each belongs to, -1 on unmarked ones."""
    before = torch.nn.functional.pad(marked[:-1], (1, 0))
    return torch.where(marked, (marked & ~before).cumsum(0) - 1, -1)


def _numbers(parts: Sequence[tuple[int, int]], device: torch.device | str) -> Int[Tensor, " place"]:
    """Each number as often as it is asked for."""
    numbers, times = torch.tensor(parts, device=device).unbind(1)
    return numbers.repeat_interleave(times)
