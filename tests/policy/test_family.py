"""What the families want beside token ids."""

from pathlib import Path

import pytest
import torch

from medix.policy.family import vision_parameters
from medix.policy.vision_language import VisionLanguagePolicy
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts


@pytest.fixture(scope="module")
def policies(tiny: dict[str, Path]) -> dict[str, VisionLanguagePolicy]:
    return {name: loaded(folder) for name, folder in tiny.items()}


@pytest.mark.parametrize(
    ("architecture", "axes", "names", "blocks"),
    [
        ("qwen3_vl", (3, 1), {"mm_token_type_ids"}, False),
        ("qwen2_5_vl", (3, 1), {"mm_token_type_ids"}, False),
        ("gemma3", (1,), {"token_type_ids"}, True),
        ("smolvlm", (1,), set(), False),
    ],
)
def test_each_family_gets_its_own_inputs(
    policies: dict[str, VisionLanguagePolicy], architecture: str, axes: tuple[int, ...], names: set[str], blocks: bool
) -> None:
    policy = policies[architecture]
    family, prompt = policy._family, mixed_prompts(policy)[2]
    ids = torch.tensor([prompt.token_ids])
    images = family.image_inputs(prompt)
    positions, following = family.prompt_positions(ids, images, None)
    assert positions.shape == (*axes, ids.shape[1])
    assert following.tolist() == [int(positions.max()) + 1]
    assert set(family.token_types(ids)) == names
    assert set(images) == set(prompt.inputs)
    found = family.image_blocks(ids[0])
    assert (found is not None) == blocks
    if found is not None:
        assert found.unique().tolist() == [-1, 0, 1]


def test_an_image_takes_fewer_positions_than_tokens_under_mrope(policies: dict[str, VisionLanguagePolicy]) -> None:
    """An image of 96 by 64 pixels is 6 tokens (3 by 2) and 3 positions, one of 64 by 64 is 4 tokens and 2 positions."""
    family, prompt = policies["qwen3_vl"]._family, mixed_prompts(policies["qwen3_vl"])[2]
    _, following = family.prompt_positions(torch.tensor([prompt.token_ids]), family.image_inputs(prompt), None)
    assert int(following) == len(prompt.token_ids) - (6 - 3) - (4 - 2)


def test_padding_before_a_prompt_moves_no_position(policies: dict[str, VisionLanguagePolicy]) -> None:
    for policy in policies.values():
        family, prompt = policy._family, mixed_prompts(policy)[1]
        images, ids = family.image_inputs(prompt), torch.tensor([prompt.token_ids])
        plain, following = family.prompt_positions(ids, images, None)
        padded = torch.nn.functional.pad(ids, (3, 0))
        mask = torch.nn.functional.pad(torch.ones_like(ids), (3, 0))
        moved, same = family.prompt_positions(padded, images, mask)
        assert torch.equal(moved[..., 3:], plain)
        assert torch.equal(same, following)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_vision_parameters_are_all_but_the_language_model_and_its_head(
    policies: dict[str, VisionLanguagePolicy], architecture: str
) -> None:
    model = policies[architecture].hugging_face
    of_vision = {id(parameter) for parameter in vision_parameters(model)}
    names = {name for name, parameter in model.named_parameters() if id(parameter) in of_vision}
    assert names
    assert names == {name for name, _ in model.named_parameters() if "language_model" not in name
                     and "text_model" not in name and "lm_head" not in name}  # fmt: skip
