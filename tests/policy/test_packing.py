"""The attention mask of a packed row."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import create_mask

from medix.policy import packing
from medix.policy.packing import PackedRow, runs


def drawn(row: PackedRow, window: int | None = None) -> list[str]:
    everywhere = torch.arange(len(row))
    return ["".join("x" if one else "." for one in line) for line in row.dense(everywhere, everywhere, window).tolist()]


def from_tiles(row: PackedRow, window: int | None = None) -> torch.Tensor:
    mask = torch.zeros(len(row) - row.cached, len(row), dtype=torch.bool)
    at = row.cached
    for tile in row.tiles(window):
        assert tile.queries.start == at
        at = tile.queries.stop
        keys = torch.cat([torch.arange(len(row))[part] for part in tile.keys])
        queries = torch.arange(len(row))[tile.queries]
        inside = keys <= queries[:, None] if tile.mask is None else tile.mask
        mask[(queries - row.cached)[:, None].expand_as(inside)[inside], keys.expand_as(inside)[inside]] = True
    assert at == len(row)
    return mask


def test_a_completion_attends_to_its_prompt_and_itself() -> None:
    """A prompt of 2 with completions of 2 and 1, then a prompt of 1 with one of 1."""
    row = PackedRow([2, 1], [[2, 1], [1]])
    assert drawn(row) == [
        "x......",
        "xx.....",
        "xxx....",
        "xxxx...",
        "xx..x..",
        ".....x.",
        ".....xx",
    ]
    assert row.position.tolist() == [0, 1, 2, 3, 2, 0, 1]


def test_a_window_counts_tokens_of_the_row_a_completion_would_have_alone() -> None:
    """Two tokens each: the second completion starts beside the end of the prompt, not behind the first completion."""
    assert drawn(PackedRow([2], [[2, 2]]), window=2) == ["x.....", "xx....", ".xx...", "..xx..", ".x..x.", "....xx"]


def test_the_tokens_of_an_image_attend_to_each_other_in_both_directions_inside_the_window() -> None:
    """Tokens 1 to 3 of the prompt are an image. A window of 2 ends the view backwards, not forwards."""
    row = PackedRow([4], [[1]], [torch.tensor([-1, 0, 0, 0])])
    assert drawn(row) == ["x....", "xxxx.", "xxxx.", "xxxx.", "xxxxx"]
    assert drawn(row, window=2) == ["x....", "xxxx.", ".xxx.", "..xx.", "...xx"]


def test_images_of_different_prompts_do_not_attend_to_each_other() -> None:
    row = PackedRow([1, 1], [[], []], [torch.tensor([0]), torch.tensor([0])])
    assert drawn(row) == ["x.", ".x"]


def test_runs_of_marked_tokens_are_numbered() -> None:
    assert runs(torch.tensor([False, True, True, False, True])).tolist() == [-1, 0, 0, -1, 1]
    assert runs(torch.tensor([True, False])).tolist() == [0, -1]


lengths = st.lists(st.tuples(st.integers(1, 6), st.lists(st.integers(0, 4), max_size=4)), min_size=1, max_size=3)
windows = st.one_of(st.none(), st.integers(1, 6))


@given(lengths, windows, st.booleans(), st.sampled_from([0, 7, 256]), st.data())
def test_tiles_cover_the_unmasked_entries_and_nothing_else(
    groups: list[tuple[int, list[int]]], window: int | None, has_blocks: bool, whole: int, data: st.DataObject
) -> None:
    blocks = [torch.tensor(data.draw(st.lists(st.integers(-1, 1), min_size=p, max_size=p))) for p, _ in groups]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "WHOLE", whole)
        row = PackedRow([p for p, _ in groups], [c for _, c in groups], blocks if has_blocks else None)
        everywhere = torch.arange(len(row))
        assert torch.equal(from_tiles(row, window), row.dense(everywhere, everywhere, window))


@given(st.integers(1, 6), st.lists(st.integers(1, 4), min_size=1, max_size=4), windows, st.sampled_from([0, 7, 256]))
def test_without_the_queries_of_the_prompt_the_other_rows_stay(
    prompt: int, completions: list[int], window: int | None, whole: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "WHOLE", whole)
        full = from_tiles(PackedRow([prompt], [completions]), window)
        assert torch.equal(from_tiles(PackedRow([prompt], [completions], cached=prompt), window), full[prompt:])


@given(lengths, windows)
def test_flex_attention_makes_the_same_mask(groups: list[tuple[int, list[int]]], window: int | None) -> None:
    """``create_mask`` maps the function over single indices, as its kernels do."""
    row = PackedRow(
        [p for p, _ in groups], [c for _, c in groups], [torch.zeros(p, dtype=torch.long) for p, _ in groups]
    )
    everywhere = torch.arange(len(row))
    mask_mod = row.mask_mod(window)
    mapped = create_mask(lambda b, h, q, k: mask_mod(b, h, q, k), 1, 1, len(row), len(row), device="cpu")
    assert torch.equal(mapped[0, 0], row.dense(everywhere, everywhere, window))


def test_a_block_mask_leaves_out_blocks_that_are_wholly_masked() -> None:
    """Two prompts of 128 with a completion of 128 each: of 16 blocks the causal ones of each group are needed, 6."""
    mask = PackedRow([128, 128], [[128], [128]]).block_mask()
    assert mask.to_dense()[0, 0].tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]
    assert mask.shape == (1, 1, 512, 512)


def test_a_large_group_takes_no_mask_for_its_prompt_and_no_key_of_other_completions() -> None:
    tiles = PackedRow([300], [[20, 10]]).tiles()
    assert [(tile.queries, tile.keys) for tile in tiles] == [
        (slice(0, 300), (slice(0, 300),)),
        (slice(300, 320), (slice(0, 300), slice(300, 320))),
        (slice(320, 330), (slice(0, 300), slice(320, 330))),
    ]
    assert tiles[0].mask is None


def test_a_row_is_cut_where_its_tiles_begin_and_end() -> None:
    """With a cached prompt its keys are in the row, its queries are not."""
    cuts = PackedRow([300], [[20, 0, 10]]).cuts()
    assert (cuts.queries, cuts.keys, cuts.of_tile) == ([300, 20, 10], [300, 20, 10], ((0,), (0, 1), (0, 2)))
    later = PackedRow([300], [[20, 0, 10]], cached=300).cuts()
    assert (later.queries, later.keys, later.of_tile) == ([20, 10], [300, 20, 10], ((0, 1), (0, 2)))
    assert PackedRow([3, 2], [[1], [2]]).cuts().of_tile == ((0,), (1,))
