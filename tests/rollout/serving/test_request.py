"""What is posted for a prompt."""

import json
from pathlib import Path

import pytest

from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import Sampling
from medix.rollout.serving.request import longest_answer, request_of
from medix.rollout.vllm_sampling import VLLMSampling
from tests.support.tiny import mixed_prompts


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> VisionLanguagePolicy:
    """Without weights, which nothing here needs."""
    folder: Path = build_tiny("qwen3_vl", tmp_path_factory.mktemp("qwen"))
    return VisionLanguagePolicy(str(folder))


def test_images_are_placed_named_by_weights_and_contents_and_sent(policy: VisionLanguagePolicy) -> None:
    text, one, two, _ = mixed_prompts(policy)
    asked = VLLMSampling(policy, Sampling(max_completion_tokens=4))
    assert "features" not in request_of(text, asked, "v1")
    features = request_of(two, asked, "v1")["features"]
    for place in features["mm_placeholders"]["image"]:
        stretch = two.token_ids[place["offset"] : place["offset"] + place["length"]]
        assert set(stretch) == {policy.image_token_id}
    first, second = features["mm_hashes"]["image"]
    assert first != second
    assert first.startswith("v1/")
    assert len(features["kwargs_data"]["image"]) == 2
    again = request_of(two, asked, "v2")["features"]["mm_hashes"]["image"]
    assert again == [first.replace("v1/", "v2/"), second.replace("v1/", "v2/")]
    assert request_of(one, asked, "v1")["features"]["mm_hashes"]["image"][0] not in {first, second}


def test_a_request_is_json_and_salts_the_prefix_cache_with_the_version(policy: VisionLanguagePolicy) -> None:
    prompt = mixed_prompts(policy)[1]
    content = json.loads(json.dumps(request_of(prompt, VLLMSampling(policy, Sampling()), "v1")))
    assert content["cache_salt"] == "v1"
    assert content["token_ids"] == list(prompt.token_ids)
    assert content["stream"]
    assert content["return_token_ids"]
    assert set(content["sampling_params"]["logit_bias"]) == {str(token) for token in policy.banned_token_ids}


def test_the_longest_answer_has_room_for_every_token(policy: VisionLanguagePolicy) -> None:
    """About 200 bytes per token are sent, and 8 per token of the prompt."""
    prompt = mixed_prompts(policy)[0]
    few = VLLMSampling(policy, Sampling(completions_per_prompt=2, max_completion_tokens=10))
    many = VLLMSampling(policy, Sampling(completions_per_prompt=4, max_completion_tokens=10))
    assert longest_answer(prompt, many) - longest_answer(prompt, few) == 20 * 1024
    assert longest_answer(prompt, few) > 20 * 200 + 8 * len(prompt.token_ids)
