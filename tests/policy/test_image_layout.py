"""Images and features of a batch, split into those of each image."""

from pathlib import Path

import pytest
import torch

from medix.policy.image_layout import (
    LAYOUTS,
    ListLayout,
    PatchLayout,
    RowLayout,
    features_of_each,
    features_together,
    form_of,
)
from medix.policy.images import join_images
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts


def test_patches_are_shared_out_by_the_grids() -> None:
    """Grids of 1 × 2 × 2 and 1 × 2 × 4 patches: four and eight of twelve."""
    inputs = {"pixel_values": torch.arange(12.0)[:, None], "image_grid_thw": torch.tensor([[1, 2, 2], [1, 2, 4]])}
    first, second = PatchLayout().split(inputs)
    assert first["pixel_values"].flatten().tolist() == [0, 1, 2, 3]
    assert second["image_grid_thw"].tolist() == [[1, 2, 4]]


def test_images_of_zeros_are_not_images_where_rows_are_filled_up() -> None:
    """Two rows of two images, of which the second row has one; of zeros alone, the first counts."""
    pixels = torch.ones(2, 2, 3, 4, 4) * torch.tensor([1, 2, 3, 0])[:, None, None, None].view(2, 2, 1, 1, 1)
    inputs = {"pixel_values": pixels, "pixel_attention_mask": torch.ones(2, 2, 4, 4)}
    parts = RowLayout().split(inputs)
    assert [float(part["pixel_values"].mean()) for part in parts] == [1, 2, 3]
    assert parts[0]["pixel_attention_mask"].shape == (1, 1, 4, 4)
    assert len(RowLayout().split({"pixel_values": torch.zeros(1, 2, 3, 4, 4)})) == 1


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_images_of_a_batch_are_those_of_its_prompts_in_order(tiny: dict[str, Path], architecture: str) -> None:
    policy = loaded(tiny[architecture])
    each = [policy._family.image_inputs(prompt) for prompt in mixed_prompts(policy)]
    inputs = join_images(each)
    layout = {"gemma3": ListLayout, "smolvlm": RowLayout}.get(architecture, PatchLayout)()
    assert layout.names >= inputs.keys()
    images = layout.split(inputs)
    assert len(images) > 3
    for image, other in zip(images, [one for own in each if own for one in layout.split(own)], strict=True):
        assert image.keys() == other.keys()
        assert all(torch.equal(image[name], other[name]) for name in image)


def test_layouts_are_known_by_their_arguments() -> None:
    assert len({layout.names for layout in LAYOUTS}) == len(LAYOUTS)


def test_features_of_each_image_and_together_again() -> None:
    """Three images; a tuple has one entry for each, a tensor one row, a list one entry per level."""
    images = (torch.zeros(2, 4), torch.ones(1, 4), torch.ones(5, 4))
    rows = torch.arange(6.0).view(3, 2)
    levels = [images, tuple(image + 1 for image in images)]
    assert [len(each) for each in features_of_each(levels, 3)] == [2, 2, 2]
    for value in (images, rows, levels):
        again = features_together(form_of(value), features_of_each(value, 3))
        assert type(again) is type(value)
        torch.testing.assert_close(again, value)


@pytest.mark.parametrize("value", [torch.zeros(2, 4), (torch.zeros(1),), [(torch.zeros(1),)], torch.zeros(()), None])
def test_features_that_are_not_one_per_image_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="features "):
        features_of_each(value, 3)
