"""What vLLM is asked, and what becomes of its outputs; without vLLM."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from medix.data.prompting import Prompting
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import RolloutError, Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.vllm_sampling import NEVER, VLLMSampling, seed_of
from medix.types import Prompt, Sample
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts


def prompts_of(folder: Path) -> tuple[VisionLanguagePolicy, list[Prompt]]:
    policy = VisionLanguagePolicy(str(folder))  # needs no weights
    return policy, mixed_prompts(policy)


# Derived by hand.


def test_settings_are_those_of_the_sampling_and_the_policy(tiny: dict[str, Path]) -> None:
    policy, [prompt, *_] = prompts_of(tiny["qwen3_vl"])
    sampling = Sampling(5, 40, temperature=0.7, top_p=0.9, top_k=20, seed=3, stop=("</answer>",))
    settings = VLLMSampling(policy, sampling).settings(prompt)
    assert (settings["n"], settings["max_tokens"]) == (5, 40)
    assert (settings["temperature"], settings["top_p"], settings["top_k"]) == (0.7, 0.9, 20)
    assert settings["stop_token_ids"] == list(policy.eos_token_ids)
    assert settings["stop"] == ["</answer>"]
    assert settings["detokenize"] is True
    assert settings["skip_special_tokens"] is settings["spaces_between_special_tokens"] is False
    assert settings["logit_bias"] == dict.fromkeys(policy.banned_token_ids, NEVER)
    json.dumps(settings, allow_nan=False)  # goes through HTTP as well


def test_at_temperature_0_one_completion_is_asked_for(tiny: dict[str, Path]) -> None:
    policy, [prompt, *_] = prompts_of(tiny["qwen3_vl"])
    assert VLLMSampling(policy, Sampling(8, 4, temperature=0)).settings(prompt)["n"] == 1


def test_what_is_added_to_a_banned_token_leaves_it_no_share_at_any_temperature() -> None:
    for temperature in (0.01, 1.0, 2.0):
        scores = (torch.tensor([3.0, 2.0, 90.0]) + torch.tensor([0.0, 0.0, NEVER])) / temperature
        shares = scores.softmax(dim=0)
        assert shares[2] == 0
        assert torch.isfinite(shares).all()


def test_the_seed_depends_on_seed_and_place_and_leaves_room_to_count_on(tiny: dict[str, Path]) -> None:
    _, [prompt, other, *_] = prompts_of(tiny["qwen3_vl"])
    seeds = {
        seed_of(prompt, Sampling(seed=1)),
        seed_of(prompt, Sampling(seed=2)),
        seed_of(other, Sampling(seed=1)),
        seed_of(replace(prompt, index=-1), Sampling(seed=1)),
    }
    assert len(seeds) == 4
    assert all(0 <= seed < 2**48 for seed in seeds)
    assert seed_of(replace(prompt, sample=other.sample), Sampling(seed=1)) == seed_of(prompt, Sampling(seed=1))


# Properties.


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_placeholder_belongs_to_one_image_and_every_pixel_to_one(
    architecture: str, tiny: dict[str, Path]
) -> None:
    policy, prompts = prompts_of(tiny[architecture])
    for prompt in prompts:
        images = VLLMSampling(policy, Sampling()).images(prompt)
        covered = [place for image in images for place in range(image.start, image.start + image.length)]
        wanted = [place for place, token in enumerate(prompt.token_ids) if token == policy.image_token_id]
        assert covered == wanted
        total = sum(image.tensors["pixel_values"].numel() for image in images)
        assert total == (prompt.inputs["pixel_values"].numel() if prompt.inputs else 0)
        assert len(images) >= len(prompt.sample.images)


def test_images_are_named_by_their_contents(tiny: dict[str, Path]) -> None:
    policy, [_, one, two, _] = prompts_of(tiny["qwen3_vl"])
    asked = VLLMSampling(policy, Sampling())
    again = replace(one, inputs={name: value.clone() for name, value in one.inputs.items()})
    names = [image.digest for prompt in (one, two, again) for image in asked.images(prompt)]
    assert names[0] == names[-1]
    assert len(set(names)) == 3


def test_a_completion_is_what_the_local_engine_makes_of_the_same_tokens(tiny: dict[str, Path]) -> None:
    """Text cut behind the stop text, the end token left out."""
    policy = loaded(tiny["qwen3_vl"])
    [prompt, *_] = mixed_prompts(policy)
    local = LocalEngine(Sampling(6, 24))
    local.bind(policy)
    words = [one.text for one in local.rollout([prompt])[0].completions]
    stop = next(text[2:4] for text in words if len(text) > 6)
    sampling = Sampling(6, 24, stop=(stop,))
    [group] = local.rollout([prompt], sampling=sampling)
    asked = VLLMSampling(policy, sampling)
    for one in group.completions:
        assert asked.completion(list(one.token_ids), list(one.logprobs), one.finish_reason.value) == one
    assert any(one.text.endswith(stop) for one in group.completions)


# Faults.


def test_a_prompt_whose_images_are_not_those_of_its_placeholders_is_refused(tiny: dict[str, Path]) -> None:
    policy, [_, one, two, _] = prompts_of(tiny["qwen3_vl"])
    wrong = replace(one, inputs=two.inputs)
    with pytest.raises(RolloutError, match="'one' has placeholders for 1 images and tensors of 2"):
        VLLMSampling(policy, Sampling()).images(wrong)


def test_unknown_tensors_of_images_are_refused_by_name(tiny: dict[str, Path]) -> None:
    policy, [_, one, *_] = prompts_of(tiny["qwen3_vl"])
    with pytest.raises(RolloutError, match="come as voxels, which cannot be converted"):
        VLLMSampling(policy, Sampling()).images(replace(one, inputs={"voxels": torch.zeros(1)}))


@pytest.mark.parametrize("temperature", [0.001, 2.5])
def test_temperatures_that_vllm_alters_or_refuses_are_refused(temperature: float, tiny: dict[str, Path]) -> None:
    policy, _ = prompts_of(tiny["qwen3_vl"])
    with pytest.raises(ValueError, match=rf"sampling\.temperature: vLLM samples at .* not at {temperature}"):
        VLLMSampling(policy, Sampling(temperature=temperature))


def test_a_text_only_prompt_has_no_images_whatever_its_processor_gives(tiny: dict[str, Path]) -> None:
    """Qwen3-VL's processor gives ``mm_token_type_ids`` for text alone too."""
    policy, _ = prompts_of(tiny["qwen3_vl"])
    prompt = Prompting(template="short").render(Sample("1", "Which side?", "left", None), policy.processor)
    assert prompt.inputs
    assert VLLMSampling(policy, Sampling()).images(prompt) == []
