"""Sizes of released models are those of their checkpoints."""

import pytest

from medix.doctor.model_size import ModelSize
from medix.doctor.released_sizes import released_config
from medix.policy.vision_language import VisionLanguagePolicy


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Qwen/Qwen3-VL-2B-Instruct", 2_127_532_032),
        ("Qwen/Qwen3-VL-8B-Thinking", 8_767_123_696),
        ("Qwen/Qwen3-VL-30B-A3B-Thinking", 31_070_754_032),
    ],
)
def test_parameters_are_as_many_as_published(name: str, parameters: int) -> None:
    policy = VisionLanguagePolicy(name)
    policy.config = released_config(name)
    assert ModelSize.of(policy).parameters == parameters


@pytest.mark.parametrize("name", ["Qwen/Qwen3-VL-2B", "owner/model", "Qwen3-VL-8B-Instruct", "./policy"])
def test_other_names_have_no_sizes(name: str) -> None:
    assert released_config(name) is None
