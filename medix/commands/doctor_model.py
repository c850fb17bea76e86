"""Numbers of a model, from its configuration: built on the meta device, where weights take no memory."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForImageTextToText
from transformers.modeling_layers import GradientCheckpointingLayer

from medix.policy.family import vision_parameters
from medix.policy.vision_language import VisionLanguagePolicy


@dataclass(frozen=True)
class Layer:
    """What decides the memory of one transformer layer, per token.

    Attributes:
        count: layers.
        width: of the residual stream.
        inner: width of the feed-forward layer that a token passes: all experts it is sent to together.
        queries: query heads times their width.
        keys: key heads times their width.
        experts: that a token is sent to; 0 without experts.
    """

    count: int
    width: int
    inner: int
    queries: int
    keys: int
    experts: int = 0


@dataclass(frozen=True)
class ModelSize:
    """A model in numbers.

    Attributes:
        parameters: weights, tied ones once.
        trained: those that get a gradient.
        adapters: those beside the model's own.
        largest_layer: weights of the largest layer, which sharded ranks gather at once.
        outside: weights in no layer, which they gather for a whole pass.
        text: layers of the language model.
        vision: layers of the vision tower; None without one.
        patches_per_token: patches of an image that become one token.
        vocabulary: tokens known.
        context: positions it is made for.
    """

    parameters: int
    trained: int
    adapters: int
    largest_layer: int
    outside: int
    text: Layer
    vision: Layer | None
    patches_per_token: int
    vocabulary: int
    context: int

    @classmethod
    def of(cls, policy: VisionLanguagePolicy) -> "ModelSize":
        """Count, as the policy would load it."""
        config = policy.config
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            build: Any = AutoModelForImageTextToText.from_config
            model = build(config, dtype=torch.float32)
            own = _count(model.parameters())
            layers = [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]
            sizes = [_count(layer.parameters()) for layer in layers]
            if policy.freeze_vision:
                for parameter in vision_parameters(model):
                    parameter.requires_grad_(False)
            if policy.lora is not None:
                inside = next(name for name, part in model.named_modules() if part is model.get_decoder())
                model = policy.lora.apply(model, only_inside=inside if policy.freeze_vision else None)
        text = config.get_text_config()
        return cls(
            parameters=own,
            trained=_count(parameter for parameter in model.parameters() if parameter.requires_grad),
            adapters=_count(model.parameters()) - own,
            largest_layer=max(sizes, default=own),
            outside=own - sum(sizes),
            text=_layer(text),
            vision=_layer(config.vision_config) if getattr(config, "vision_config", None) else None,
            patches_per_token=_patches_per_token(config),
            vocabulary=int(text.vocab_size),
            context=int(text.max_position_embeddings),
        )


def _count(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _layer(config: Any) -> Layer:
    """The families call the same numbers by different names."""
    heads = int(_first(config, "num_attention_heads", "num_heads"))
    width = int(_first(config, "hidden_size", "embed_dim"))
    head = int(getattr(config, "head_dim", None) or width // heads)
    experts = int(getattr(config, "num_experts_per_tok", None) or 0)
    inner = int(_first(config, "moe_intermediate_size", "intermediate_size")) if experts else config.intermediate_size
    return Layer(
        count=int(_first(config, "num_hidden_layers", "depth")),
        width=width,
        inner=int(inner) * max(1, experts),
        queries=heads * head,
        keys=int(getattr(config, "num_key_value_heads", None) or heads) * head,
        experts=experts,
    )


def _first(config: Any, *names: str) -> Any:
    for name in names:
        if getattr(config, name, None) is not None:
            return getattr(config, name)
    raise ValueError(f"the configuration of a {config.model_type} has none of {', '.join(names)}")


def _patches_per_token(config: Any) -> int:
    merge = getattr(getattr(config, "vision_config", None), "spatial_merge_size", None)
    if merge is not None:
        return int(merge) ** 2
    if getattr(config, "scale_factor", None) is not None:  # SmolVLM shuffles pixels into channels
        return int(config.scale_factor) ** 2
    tokens = getattr(config, "mm_tokens_per_image", None)
    if tokens is not None:  # Gemma 3 pools a grid
        return max(1, int(config.vision_config.image_size // config.vision_config.patch_size) ** 2 // int(tokens))
    return 1
