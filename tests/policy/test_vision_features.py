"""Image features of a frozen tower, computed once."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from medix.policy import vision_features
from medix.policy.family import vision_parameters
from medix.policy.lora import LoRA
from medix.policy.vision_features import ImageFeatures, VisionFeatures
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.types import RolloutGroup
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts, written
from tests.support.tolerances import LOGPROBS


def attached(policy: VisionLanguagePolicy, gigabytes: float = 1.0) -> VisionFeatures:
    """Features for a policy that was loaded with ``freeze_vision``."""
    inner = policy.hugging_face.base_model
    vars(inner).pop("get_image_features", None)
    features = VisionFeatures(gigabytes)
    assert features.attach(policy.hugging_face, vision_parameters(policy.hugging_face))
    return features


def groups_of(policy: VisionLanguagePolicy) -> list[RolloutGroup]:
    return [written(policy, prompt, (4, 2), seed) for seed, prompt in enumerate(mixed_prompts(policy))]


def runs_of_the_tower(policy: VisionLanguagePolicy) -> list[int]:
    """Grows by one with every pass through the tower."""
    seen: list[int] = []
    inner = policy.hugging_face.base_model
    tower = next(getattr(inner, name) for name in ("visual", "vision_tower", "vision_model") if hasattr(inner, name))
    tower.register_forward_hook(lambda *_: seen.append(1))
    return seen


@pytest.mark.parametrize(
    ("architecture", "lora"), [*((name, None) for name in ARCHITECTURES), ("qwen3_vl", LoRA(rank=2))]
)
def test_logprobs_and_gradients_are_those_of_running_the_tower(
    tiny: dict[str, Path], architecture: str, lora: LoRA | None
) -> None:
    found = []
    for keeps in (False, True):
        policy = loaded(tiny[architecture], freeze_vision=True, lora=lora)
        vars(policy.hugging_face.base_model).pop("get_image_features", None)
        groups = groups_of(policy)
        if keeps:
            attached(policy)
            with torch.no_grad():
                policy.logprobs(groups)
        seen = runs_of_the_tower(policy)
        rows = policy.logprobs(groups)
        rows.sum().backward()
        assert bool(seen) is not keeps
        gradients = {name: one.grad for name, one in policy.named_parameters() if one.grad is not None}
        found.append((rows.detach(), gradients))
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=LOGPROBS)
    assert found[0][1]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_image_passes_the_tower_once_in_all_passes(tiny: dict[str, Path], architecture: str) -> None:
    """Sampling, log-probabilities with and without gradient, one group alone."""
    policy = loaded(tiny[architecture], freeze_vision=True)
    features = attached(policy)
    engine = LocalEngine(Sampling(completions_per_prompt=2, max_completion_tokens=3))
    engine.bind(policy)
    prompts = mixed_prompts(policy)
    groups = engine.rollout(prompts)
    computed = features.computed
    assert computed >= 4
    seen = runs_of_the_tower(policy)
    with torch.no_grad():
        policy.logprobs(groups)
    policy.logprobs(groups).sum().backward()
    engine.rollout(prompts[::-1])
    policy.logprobs(groups[2:3])
    assert not seen
    assert features.computed == computed


@pytest.mark.exact
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_features_do_not_depend_on_the_pass_that_computed_them(tiny: dict[str, Path], architecture: str) -> None:
    """A resumed run starts with an empty cache: whichever pass meets an image first must compute the same bits."""
    policy = loaded(tiny[architecture], freeze_vision=True)
    prompts = mixed_prompts(policy)
    engine = LocalEngine(Sampling(completions_per_prompt=2, max_completion_tokens=1))
    engine.bind(policy)
    passes: list[Callable[[], object]] = [
        lambda: engine.rollout(prompts),
        lambda: [policy.prefill([prompt]) for prompt in prompts[::-1]],
        lambda: policy.logprobs(groups_of(policy)),
        lambda: [policy.logprobs([group]) for group in groups_of(policy)],
    ]
    found = []
    for run in passes:
        features = attached(policy)
        run()
        found.append({image: one.values for (_, image, _), one in features._kept.items()})
    assert len(found[0]) >= 4
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        torch.testing.assert_close(other, found[0], rtol=0, atol=0)


def test_the_same_image_twice_in_a_pass_is_computed_once(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], freeze_vision=True)
    features = attached(policy)
    one = mixed_prompts(policy)[1]
    policy.prefill([one, replace(one), one])
    assert features.computed == 1


def test_other_weights_of_the_tower_give_other_features(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], freeze_vision=True).eval()
    features = attached(policy)
    group = groups_of(policy)[1:2]
    policy.logprobs(group)
    state = policy.state_dict()
    policy.load_state_dict({name: value * 1.5 if "visual" in name else value for name, value in state.items()})
    after = policy.logprobs(group)
    assert features.computed == 2
    vars(policy.hugging_face.base_model).pop("get_image_features")
    torch.testing.assert_close(after, policy.logprobs(group), rtol=0, atol=LOGPROBS)


def test_models_with_one_tower_share_features_and_others_do_not(tiny: dict[str, Path]) -> None:
    policies = [loaded(tiny["qwen3_vl"], freeze_vision=True) for _ in range(3)]
    with torch.no_grad():
        next(iter(vision_parameters(policies[2].hugging_face))).add_(1)
        policies[1].hugging_face.lm_head.weight.add_(1)
    features = VisionFeatures(1.0)
    for policy in policies:
        vars(policy.hugging_face.base_model).pop("get_image_features", None)
        features.attach(policy.hugging_face, vision_parameters(policy.hugging_face))
    computed = []
    for policy in policies:
        policy.prefill(mixed_prompts(policy)[1:2])
        computed.append(features.computed)
    assert computed == [1, 1, 2]


def test_a_tower_that_is_trained_again_runs_in_every_pass_and_gets_its_gradient(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], freeze_vision=True)
    features = attached(policy)
    policy.requires_grad_(True)
    policy.logprobs(groups_of(policy)[1:2]).sum().backward()
    assert features.computed == 0
    assert all(parameter.grad is not None for parameter in vision_parameters(policy.hugging_face))


def test_precision_of_a_pass_is_part_of_what_is_kept(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], freeze_vision=True)
    features = attached(policy)
    for _ in range(2):
        policy.prefill(mixed_prompts(policy)[1:2])
        with torch.autocast("cpu", torch.bfloat16):
            policy.prefill(mixed_prompts(policy)[1:2])
    assert features.computed == 2


def test_a_family_that_is_not_known_keeps_its_tower_and_says_so(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["gemma3"], freeze_vision=True)
    inner = policy.hugging_face.base_model

    def strange(pixel_values: torch.Tensor, levels: int) -> None:
        raise AssertionError

    inner.get_image_features = strange
    with pytest.warns(UserWarning, match="Gemma3.* computed anew in every pass: its images come as levels, pi"):
        assert not VisionFeatures(1.0).attach(policy.hugging_face, vision_parameters(policy.hugging_face))
    assert inner.get_image_features is strange


def test_a_tower_with_dropout_is_left_as_it_is(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["gemma3"], freeze_vision=True)
    vars(policy.hugging_face.base_model).pop("get_image_features", None)
    policy.hugging_face.base_model.multi_modal_projector.add_module("drop", nn.Dropout(0.1))
    with pytest.warns(UserWarning, match="multi_modal_projector.drop drops activations"):
        assert not VisionFeatures(1.0).attach(policy.hugging_face, vision_parameters(policy.hugging_face))


# Room.


class _Counted:
    """Stands in for a tower: features of 256 bytes."""

    def __init__(self) -> None:
        self.features = VisionFeatures(gigabytes=3 * 256 / 2**30)
        self.calls = ""

    def find(self, names: str) -> list[float]:
        keys = [("tower", name, "") for name in names]

        def compute(index: int) -> ImageFeatures:
            self.calls += names[index]
            return ImageFeatures(dict, {"x": tuple}, {"x": torch.full((64,), float(ord(names[index])))})

        return [float(one.values["x"][0]) for one in self.features.find(keys, compute)]


def test_what_was_not_used_for_longest_makes_room() -> None:
    """Room for three. a is used again before d comes, so that b goes."""
    tower = _Counted()
    for names in ("abc", "a", "d", "acd"):
        assert tower.find(names) == [float(ord(name)) for name in names]
    assert tower.calls == "abcd"
    assert tower.features.bytes == 3 * 256


def test_more_images_than_there_is_room_for_still_come_out_in_order() -> None:
    tower = _Counted()
    assert tower.find("abcabcdea") == [float(ord(name)) for name in "abcabcdea"]
    assert tower.calls == "abcde"
    assert tower.features.bytes == 3 * 256


def test_images_that_come_back_after_they_were_dropped_are_said_once() -> None:
    tower = _Counted()
    tower.find("abcd")
    with pytest.warns(UserWarning, match=r"features of 3 images fill policy\.vision_gigabytes"):
        tower.find("a")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tower.find("b")


def test_of_dropped_images_only_the_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for three, and for the names of two that left: of a to e, d and e; then e and f, as a makes f leave."""
    monkeypatch.setattr(vision_features, "_REMEMBERED", 2)
    tower = _Counted()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tower.find("abcdefgh")
        tower.find("a")
    assert [name for _, name, _ in tower.features._dropped or ()] == ["e", "f"]
    with pytest.warns(UserWarning, match="evicted images come back"):
        tower.find("e")


def test_features_of_one_image_do_not_keep_those_of_others_in_memory(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], freeze_vision=True)
    features = attached(policy)
    policy.prefill(mixed_prompts(policy))
    for one in features._kept.values():
        tensor = one.values["pooler_output"]
        assert tensor.untyped_storage().nbytes() == tensor.nbytes


def test_no_room_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"policy\.vision_gigabytes: 0"):
        VisionFeatures(0)
