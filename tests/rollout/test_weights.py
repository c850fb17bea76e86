"""What is published of a policy: names and values of a saved folder, adapters merged, changes noticed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftConfig, get_peft_model
from safetensors.torch import load_file
from torch import Tensor, distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

from medix.policy.export import export
from medix.policy.lora import LoRA
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.weights import Tally, check_served, published, published_adapter, weights_fingerprint
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts, written
from tests.support.tolerances import LOGPROBS


def saved(policy: VisionLanguagePolicy, folder: Path) -> dict[str, Tensor]:
    """The weights that Hugging Face writes."""
    policy.hugging_face.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def with_adapter(folder: Path, targets: Any = "all-linear", **arguments: object) -> VisionLanguagePolicy:
    """An adapter whose update is not zero, as it is at the beginning."""
    policy = loaded(folder, lora=LoRA(rank=4, alpha=6.0, target_modules=targets), **arguments)
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name or "lora_embedding_A" in name:
                weight.normal_(std=0.1)
    return policy


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[DeviceMesh]:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


# Derived by hand.


def test_an_adapter_is_added_to_its_weight_by_alpha_over_rank(tiny: dict[str, Path]) -> None:
    """Rank 4, alpha 6: W + 6/4 · B·A, and every other weight as it was."""
    policy = with_adapter(tiny["qwen3_vl"], freeze_vision=True)
    plain = dict(published(loaded(tiny["qwen3_vl"])))
    layer = policy.hugging_face.get_submodule("model.language_model.layers.1.mlp.up_proj")
    update = 1.5 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    merged = dict(published(policy))
    name = "model.language_model.layers.1.mlp.up_proj.weight"
    assert torch.allclose(merged[name], plain[name] + update, atol=1e-6)
    assert float((merged[name] - plain[name]).detach().abs().max()) > 1e-3
    untouched = [name for name in plain if "visual" in name or "norm" in name or "embed" in name]
    assert all(torch.equal(merged[name], plain[name]) for name in untouched)


def test_without_merging_the_adapter_is_left_out(tiny: dict[str, Path]) -> None:
    plain = dict(published(loaded(tiny["qwen3_vl"])))
    left = dict(published(with_adapter(tiny["qwen3_vl"]), merge=False))
    assert left.keys() == plain.keys()
    assert all(torch.equal(left[name], plain[name]) for name in plain)


def test_bytes_are_counted_as_they_pass() -> None:
    tally = Tally()
    weights = iter([("a", torch.zeros(3)), ("b", torch.zeros(2, 5, dtype=torch.bfloat16))])
    assert [name for name, _ in tally.count(weights)] == ["a", "b"]
    assert (tally.tensors, tally.nbytes) == (2, 3 * 4 + 10 * 2)


# Properties.


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_names_and_values_are_those_of_a_saved_folder(architecture: str, tiny: dict[str, Path], tmp_path: Path) -> None:
    """Also where Hugging Face renames on the way (Qwen2.5-VL, Gemma 3), and where weights are tied."""
    policy = loaded(tiny[architecture])
    with torch.no_grad():
        for weight in policy.parameters():
            weight.add_(0.25)
    given = dict(published(policy))
    kept = saved(policy, tmp_path)
    assert given.keys() == kept.keys()
    assert all(torch.equal(given[name], kept[name]) for name in kept)
    read = load_file(tiny[architecture] / "model.safetensors")
    assert given.keys() == read.keys()
    assert all(given[name].shape == read[name].shape for name in read)


def test_publishing_leaves_the_policy_as_it_was(tiny: dict[str, Path]) -> None:
    policy = with_adapter(tiny["qwen3_vl"])
    before = {name: weight.clone() for name, weight in policy.state_dict().items()}
    dict(published(policy))
    published_adapter(policy)
    after = policy.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_an_adapter_alone_has_the_settings_and_names_that_peft_saves(tiny: dict[str, Path], tmp_path: Path) -> None:
    policy = with_adapter(tiny["qwen3_vl"], freeze_vision=True)
    settings, weights = published_adapter(policy)
    assert policy.model is not None
    policy.model.save_pretrained(str(tmp_path))  # type: ignore[operator]
    kept = load_file(tmp_path / "adapter_model.safetensors")
    assert weights.keys() == kept.keys()
    assert all(torch.equal(weights[name], kept[name]) for name in kept)
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    read = PeftConfig.from_pretrained(str(tmp_path))
    assert (read.r, read.lora_alpha) == (4, 6.0)


@pytest.mark.parametrize("learning_rate", [1e-3, 1e-6])
def test_one_step_of_an_optimiser_changes_the_fingerprint(learning_rate: float, tiny: dict[str, Path]) -> None:
    policy = with_adapter(tiny["qwen3_vl"])
    before = weights_fingerprint(policy)
    assert weights_fingerprint(policy) == before
    optimizer = torch.optim.AdamW([one for one in policy.parameters() if one.requires_grad], lr=learning_rate)
    for weight in policy.parameters():
        weight.grad = torch.randn_like(weight) if weight.requires_grad else None
    optimizer.step()
    assert weights_fingerprint(policy) != before


def test_loading_other_weights_and_then_the_old_ones_again_restores_the_fingerprint(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"])
    old = {name: weight.clone() for name, weight in policy.state_dict().items()}
    before = weights_fingerprint(policy)
    policy.load_state_dict({name: weight * 1.5 for name, weight in old.items()})
    changed = weights_fingerprint(policy)
    policy.load_state_dict(old)
    assert changed != before
    assert weights_fingerprint(policy) == before


@pytest.mark.parametrize("adapter", [False, True])
def test_sharded_weights_are_published_whole(adapter: bool, tiny: dict[str, Path], mesh: DeviceMesh) -> None:
    """Also after a pass, which leaves some of them gathered; the fingerprint is the same before and after it."""
    torch.manual_seed(1)
    policy = with_adapter(tiny["qwen3_vl"]) if adapter else loaded(tiny["qwen3_vl"])
    wanted = {name: weight.clone() for name, weight in published(policy)}
    policy.shard(mesh)
    before = weights_fingerprint(policy)
    prompt = mixed_prompts(policy)[0]
    with torch.no_grad():
        policy.logprobs([written(policy, prompt, [3, 2])])
    assert weights_fingerprint(policy) == before
    given = dict(published(policy))
    assert given.keys() == wanted.keys()
    assert not any(isinstance(weight, DTensor) for weight in given.values())
    assert all(torch.equal(given[name], wanted[name]) for name in wanted)
    if adapter:
        _, alone = published_adapter(policy)
        assert not any(isinstance(weight, DTensor) for weight in alone.values())
    trained = [weight for weight in policy.parameters() if weight.requires_grad]
    for weight in trained:
        weight.grad = torch.ones_like(weight)
    torch.optim.AdamW(trained, lr=1e-6).step()
    assert weights_fingerprint(policy) != before


# Faults.


def test_a_policy_without_an_adapter_has_none_to_publish(tiny: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match=r"policy\.lora: .* is trained without an adapter"):
        published_adapter(loaded(tiny["qwen3_vl"]))


@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings")
@pytest.mark.parametrize("targets", [["lm_head"], ["embed_tokens"], ["lm_head", "embed_tokens"], ["q_proj", "lm_head"]])
@pytest.mark.parametrize("architecture", ["qwen3_vl", "gemma3", "smolvlm"])
def test_adapters_on_head_and_embeddings_are_published_as_they_are_exported(
    architecture: str, targets: list[str], tiny: dict[str, Path], tmp_path: Path
) -> None:
    """Tied in the first two: a weight more than the base folder has, and a configuration that says so."""
    policy = with_adapter(tiny[architecture], targets)
    given = dict(published(policy))
    kept = load_file(export(policy, tmp_path / "exported", "card") / "model.safetensors")
    assert given.keys() == kept.keys()
    assert all(torch.equal(given[name], kept[name]) for name in kept)
    base = load_file(tiny[architecture] / "model.safetensors")
    tied = architecture != "smolvlm"
    assert len(given) == len(base) + tied
    assert json.loads((tmp_path / "exported" / "config.json").read_text())["tie_word_embeddings"] is False
    assert policy.hugging_face.config.tie_word_embeddings is tied
    again, group = loaded(tmp_path / "exported"), written(policy, mixed_prompts(policy)[1], (4, 2))
    with torch.no_grad():
        torch.testing.assert_close(again.logprobs([group]), policy.logprobs([group]), rtol=0, atol=LOGPROBS)


@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings")
def test_what_vllm_keeps_tied_is_refused_with_the_remedy(tiny: dict[str, Path]) -> None:
    for targets in (["lm_head"], ["embed_tokens"]):
        with pytest.raises(ValueError, match=r"policy\.lora: .*embed_tokens\.weight and lm_head\.weight differ.*Local"):
            check_served(with_adapter(tiny["qwen3_vl"], targets))
        check_served(with_adapter(tiny["smolvlm"], targets))  # they are two weights already
        with pytest.raises(ValueError, match=rf"engine\.publish_adapter_only: the adapter of .*{targets[0]}"):
            check_served(with_adapter(tiny["smolvlm"], targets), adapter_only=True)
    check_served(with_adapter(tiny["qwen3_vl"]))
    check_served(with_adapter(tiny["qwen3_vl"]), adapter_only=True)


@pytest.mark.parametrize(
    ("own", "asked", "sent"),
    [
        ("float32", torch.bfloat16, torch.bfloat16),
        ("float32", torch.float32, torch.float32),
        ("float32", None, torch.float32),
        ("bfloat16", torch.float32, torch.bfloat16),
        ("bfloat16", torch.float16, torch.bfloat16),
    ],
)
def test_weights_are_rounded_to_a_narrower_dtype_of_the_engine_and_never_widened(
    own: str, asked: torch.dtype | None, sent: torch.dtype, tiny: dict[str, Path]
) -> None:
    policy = with_adapter(tiny["qwen3_vl"], dtype=own)
    before, whole = weights_fingerprint(policy), dict(published(policy))
    given = dict(published(policy, dtype=asked))
    assert {weight.dtype for weight in given.values()} == {sent}
    assert all(torch.equal(weight, whole[name].to(sent)) for name, weight in given.items())
    assert weights_fingerprint(policy) == before


def test_half_the_bytes_are_sent_to_an_engine_in_bfloat16(tiny: dict[str, Path]) -> None:
    policy, wide, narrow = loaded(tiny["qwen3_vl"]), Tally(), Tally()
    list(wide.count(published(policy)))
    list(narrow.count(published(policy, dtype=torch.bfloat16)))
    assert 2 * narrow.nbytes == wide.nbytes
    assert narrow.tensors == wide.tensors


@pytest.mark.filterwarnings("ignore")
def test_an_adapter_that_cannot_be_merged_is_refused_rather_than_left_out(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"])
    policy.model = get_peft_model(policy.hugging_face, LoraConfig(r=2, target_modules=["q_proj"], use_dora=True))
    with pytest.raises(ValueError, match=r"cannot be merged into the model"):
        dict(published(policy))
