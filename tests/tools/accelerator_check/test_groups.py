"""Groups of random completions."""

from pathlib import Path

import torch

from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from tools.accelerator_check.groups import groups
from tools.bench_step.workload import Shape


def test_groups_have_images_and_completions_of_different_lengths(tmp_path: Path) -> None:
    policy = VisionLanguagePolicy(str(build_tiny("qwen3_vl", tmp_path)))
    made = groups(policy, Shape("", (2, 3), 4, 3, 2, 2))
    assert len(made) == 2
    for group in made:
        assert sum(token == policy.image_token_id for token in group.prompt.token_ids) == 6
        assert [len(completion.token_ids) for completion in group.completions] == [2, 1, 1]
        tokens = {token for completion in group.completions for token in completion.token_ids}
        assert not tokens & set(policy.banned_token_ids)
    assert not torch.equal(made[0].prompt.inputs["pixel_values"], made[1].prompt.inputs["pixel_values"])
