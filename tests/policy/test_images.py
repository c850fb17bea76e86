"""Tensors of images, joined and repeated."""

import torch

from medix.policy.images import images_of_one_row, join_images, repeat_images


def test_concatenated_images_follow_the_order_of_the_prompts() -> None:
    joined = join_images([{"pixel_values": torch.ones(2, 3)}, {}, {"pixel_values": torch.zeros(1, 3)}])
    assert joined["pixel_values"][:, 0].tolist() == [1, 1, 0]


def test_rows_of_images_are_padded_with_empty_images() -> None:
    """Two prompts with two and one images, and a text-only one between them: [3, 2, …]."""
    two = {"pixel_values": torch.ones(1, 2, 3, 4, 4), "pixel_attention_mask": torch.ones(1, 2, 4, 4)}
    one = {"pixel_values": torch.ones(1, 1, 3, 4, 8), "pixel_attention_mask": torch.ones(1, 1, 4, 8)}
    joined = join_images([two, {}, one])
    assert joined["pixel_values"].shape == (3, 2, 3, 4, 8)
    assert joined["pixel_attention_mask"].sum(dim=(2, 3)).tolist() == [[16, 16], [0, 0], [32, 0]]


def test_prompts_without_images_join_to_nothing() -> None:
    assert join_images([{}, {}]) == {}


def test_repeated_images_stand_once_per_row() -> None:
    repeated = repeat_images({"image_grid_thw": torch.tensor([[1, 4, 4], [1, 2, 2]])}, 2)
    assert repeated["image_grid_thw"].tolist() == [[1, 4, 4], [1, 2, 2], [1, 4, 4], [1, 2, 2]]


def test_images_of_one_row_stand_behind_each_other_in_both_layouts() -> None:
    """Two and one images in rows: [1, 3, …], the smaller padded; concatenated ones stay as they are."""
    two = {"pixel_values": torch.ones(1, 2, 3, 4, 4), "pixel_attention_mask": torch.ones(1, 2, 4, 4)}
    one = {"pixel_values": torch.full((1, 1, 3, 4, 8), 2.0), "pixel_attention_mask": torch.ones(1, 1, 4, 8)}
    joined = images_of_one_row([two, {}, one])
    assert joined["pixel_values"].shape == (1, 3, 3, 4, 8)
    assert joined["pixel_values"][0, :, 0, 0, 0].tolist() == [1, 1, 2]
    assert joined["pixel_attention_mask"].sum(dim=(2, 3)).tolist() == [[16, 16, 32]]
    flat = images_of_one_row(
        [{"image_grid_thw": torch.tensor([[1, 4, 4]])}, {}, {"image_grid_thw": torch.tensor([[1, 2, 2]])}]
    )
    assert flat["image_grid_thw"].tolist() == [[1, 4, 4], [1, 2, 2]]
    assert images_of_one_row([{}, {}]) == {}
