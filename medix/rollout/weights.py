"""The weights of a policy in the form in which an engine with its own copy loads them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from torch import Tensor
from transformers.core_model_loading import WeightConverter, rename_source_key, revert_weight_conversion

from medix.policy.merged import check_merged, merged_weights, untied
from medix.policy.shards import own_part, whole
from medix.policy.vision_language import VisionLanguagePolicy

SAMPLED = 256
"""Elements of each weight that ``weights_fingerprint`` reads."""


@dataclass
class Tally:
    """Counts the weights that were sent to an engine.

    Attributes:
        tensors: how many.
        nbytes: their size in bytes.
        seconds: from the first weight read to the engine ready for the next request.
    """

    tensors: int = 0
    nbytes: int = 0
    seconds: float = 0.0

    def count(self, weights: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """The same weights, counted as they pass."""
        for name, weight in weights:
            self.tensors += 1
            self.nbytes += weight.nbytes
            yield name, weight


@torch.no_grad()
def published(
    policy: VisionLanguagePolicy, merge: bool = True, dtype: torch.dtype | None = None
) -> Iterator[tuple[str, Tensor]]:
    """Every weight, unsharded, under its name in the policy's saved folder; one at a time.

    Of tied weights only the first is given, as in a saved folder. Sharded weights are gathered, so that every rank must
    iterate over all of them, in step. Nothing here changes the policy; a weight that is neither merged, gathered nor
    narrowed is not copied: copy it before the next update.

    Args:
        policy: its weights are loaded.
        merge: add the updates of adapters, in float32, to their weights; otherwise adapters are left out.
        dtype: of the engine. Wider weights are rounded to it here, as the engine would when it loads them, so that no
            bytes are sent that it drops; narrower ones are sent as they are. None rounds nothing.

    Raises:
        ValueError: an adapter cannot be merged.
    """
    model = policy.hugging_face
    policy.sharding.release(policy)
    if merge:
        check_merged(model)
    weights = merged_weights(model, merge)
    for names in _converted_together(model, list(weights)):
        part = {name: _narrowed(weights[name].value(), dtype) for name in names}
        yield from revert_weight_conversion(model, part).items()


def check_served(policy: VisionLanguagePolicy, adapter_only: bool = False) -> None:
    """Refuse a policy whose weights vLLM cannot hold; called once they are loaded.

    Args:
        policy: its weights are loaded.
        adapter_only: whether the adapter is published alone, and not merged.

    Raises:
        ValueError: adapters untie weights that vLLM keeps tied, as the configuration says, or are to be published alone
            on embeddings or head; with the remedy.
    """
    model = policy.hugging_face
    if adapter_only:
        ends = (model.get_input_embeddings(), model.get_output_embeddings())
        adapted = [name for name, part in model.named_modules() if isinstance(part, LoraLayer) and part in ends]
        if adapted:
            raise ValueError(
                f"engine.publish_adapter_only: the adapter of {policy.name} is on {' and '.join(adapted)}, where vLLM "
                "takes none; leave them out of lora.target_modules, or set publish_adapter_only: false"
            )
        return
    apart = untied(model)
    if apart:
        raise ValueError(
            f"policy.lora: with the adapter merged, {' and '.join(apart)} differ, and vLLM reads one of them for both, "
            f"as {policy.name} ties them (tie_word_embeddings). Leave embeddings and head out of lora.target_modules, "
            "or sample with medix.rollout.LocalEngine"
        )


def published_adapter(policy: VisionLanguagePolicy) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Settings and weights of the policy's adapter, as peft saves them: plain data, and whole tensors.

    Raises:
        ValueError: the policy has no adapter.
    """
    model = policy.model
    if not isinstance(model, PeftModel):
        raise ValueError(
            f"policy.lora: {policy.name} is trained without an adapter, so none can be published alone; set "
            "policy.lora, or publish every weight"
        )
    policy.sharding.release(policy)
    settings = {key: _plain(value) for key, value in model.peft_config[model.active_adapter].to_dict().items()}
    held = model.state_dict(keep_vars=True)  # the parameters themselves, which know their other parts
    weights = get_peft_model_state_dict(model, state_dict=held, save_embedding_layers=False)
    return settings, {name: whole(weight) for name, weight in sorted(weights.items())}


@torch.no_grad()
def weights_fingerprint(policy: VisionLanguagePolicy) -> str:
    """A digest of some elements of every weight, which any optimiser step changes.

    It reads up to ``SAMPLED`` elements of each weight, evenly spaced, of a sharded weight those of this rank. An update
    that leaves all of them unchanged to the last bit is not noticed. It reads the policy's own weights, before adapters
    are merged and before anything is rounded: what is published is a function of these and of the engine's dtype, so
    that equal fingerprints mean equal weights in an engine, and a smaller update than the engine can hold still counts.
    Memory addresses and version counters of the weights are left out: sharding changes both where no value changes.
    """
    policy.sharding.release(policy)
    samples = [_sampled(weight) for weight in policy.hugging_face.parameters()]
    gathered = torch.cat([sample.to(torch.float64) for sample in samples]).cpu()
    return hashlib.blake2b(gathered.numpy().tobytes(), digest_size=16).hexdigest()


def _sampled(weight: Tensor) -> Tensor:
    flat = own_part(weight).reshape(-1)
    return flat[:: max(1, -(-flat.numel() // SAMPLED))]


def _converted_together(model: Any, names: list[str]) -> Iterator[list[str]]:
    """Weights in parts that Hugging Face turns into those of a folder independently of each other."""
    conversions = [one.reverse_transform() for one in reversed(getattr(model, "_weight_conversions", None) or [])]
    converters = [one for one in conversions if isinstance(one, WeightConverter)]
    renamings = [one for one in conversions if not isinstance(one, WeightConverter)]
    parts: dict[str, list[str]] = {}
    for name in names:
        target, _ = rename_source_key(name, renamings, converters, reverse=True)
        parts.setdefault(target, []).append(name)
    yield from parts.values()


def _narrowed(weight: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype is None or not weight.is_floating_point() or weight.dtype.itemsize <= dtype.itemsize:
        return weight
    return weight.to(dtype)


def _plain(value: Any) -> Any:
    """Settings of peft without its own classes."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | list | tuple):
        plain = [_plain(one) for one in value]
        return sorted(plain) if isinstance(value, set) else plain
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
