"""Parameter counts and layer sizes of a model, from its configuration; built on the meta device, without memory."""

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
    """The sizes that decide how much memory one kind of transformer layer takes per token.

    Attributes:
        count: number of layers.
        hidden_size: width of the residual stream.
        intermediate_size: width of the MLP; with experts, of all experts that a token is routed to together.
        query_width: query heads x head size.
        key_width: key heads x head size.
        experts_per_token: experts that a token is routed to; 0 without experts.
        parameters: of the largest such layer; a sharded rank gathers one layer at a time.
    """

    count: int
    hidden_size: int
    intermediate_size: int
    query_width: int
    key_width: int
    experts_per_token: int = 0
    parameters: int = 0


@dataclass(frozen=True)
class ModelSize:
    """Parameter counts and layer sizes of a model.

    Attributes:
        parameters: parameters of the model without adapters; tied ones count once.
        trained: parameters with a gradient, adapters included.
        adapters: parameters of adapters.
        largest_trained: parameters of the largest weight with a gradient.
        outside_layers: parameters outside the layers; a sharded rank gathers them for a whole pass.
        text: layers of the language model.
        vision: layers of the vision tower; None without one.
        patches_per_token: image patches that are merged into one token.
        patch_values: pixel values of a patch, of all channels and frames.
        mergers: modules that merge patches into tokens; more than one if text layers get features of inner layers.
        vocab_size: tokens of the vocabulary.
        context_length: positions that the model supports.
    """

    parameters: int
    trained: int
    adapters: int
    largest_trained: int
    outside_layers: int
    text: Layer
    vision: Layer | None
    patches_per_token: int
    vocab_size: int
    context_length: int
    patch_values: int = 0
    mergers: int = 1

    @classmethod
    def of(cls, policy: VisionLanguagePolicy) -> "ModelSize":
        """Count what the policy would load."""
        config = policy.config
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            build: Any = AutoModelForImageTextToText.from_config
            model = build(config, dtype=torch.float32)
            own = _count(model.parameters())
            of_text, of_images = _layers(model)
            if policy.freeze_vision:
                for parameter in vision_parameters(model):
                    parameter.requires_grad_(False)
            if policy.lora is not None:
                language = [model.get_decoder(), model.get_output_embeddings()]
                names = [name for name, part in model.named_modules() if any(part is one for one in language)]
                model = policy.lora.apply(model, only_inside=names if policy.freeze_vision else None)
        text, vision = config.get_text_config(), getattr(config, "vision_config", None)
        return cls(
            parameters=own,
            trained=_count(parameter for parameter in model.parameters() if parameter.requires_grad),
            adapters=_count(model.parameters()) - own,
            largest_trained=max((p.numel() for p in model.parameters() if p.requires_grad), default=0),
            outside_layers=own - sum(of_text + of_images),
            text=_layer(text, max(of_text, default=own)),
            vision=None if vision is None else _layer(vision, max(of_images, default=0)),
            patches_per_token=_patches_per_token(config),
            vocab_size=int(text.vocab_size),
            context_length=int(text.max_position_embeddings),
            patch_values=0 if vision is None else _patch_values(vision),
            mergers=1 + len(getattr(vision, "deepstack_visual_indexes", None) or ()),
        )


def _count(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _layers(model: nn.Module) -> tuple[list[int], list[int]]:
    """Parameters of each layer of the language model, and of each layer of the vision tower."""
    ids = {id(parameter) for parameter in vision_parameters(model)}
    layers = [list(part.parameters()) for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]
    of_text = [_count(layer) for layer in layers if id(layer[0]) not in ids]
    return of_text, [_count(layer) for layer in layers if id(layer[0]) in ids]


def _layer(config: Any, parameters: int) -> Layer:
    """Model families name the same sizes differently."""
    heads = int(_first(config, "num_attention_heads", "num_heads"))
    width = int(_first(config, "hidden_size", "embed_dim"))
    head = int(getattr(config, "head_dim", None) or width // heads)
    experts = int(getattr(config, "num_experts_per_tok", None) or 0)
    inner = int(_first(config, "moe_intermediate_size", "intermediate_size")) if experts else config.intermediate_size
    return Layer(
        count=int(_first(config, "num_hidden_layers", "depth")),
        hidden_size=width,
        intermediate_size=int(inner) * max(1, experts),
        query_width=heads * head,
        key_width=int(getattr(config, "num_key_value_heads", None) or heads) * head,
        experts_per_token=experts,
        parameters=parameters,
    )


def _first(config: Any, *names: str) -> Any:
    for name in names:
        if getattr(config, name, None) is not None:
            return getattr(config, name)
    raise ValueError(f"the configuration of a {config.model_type} model has none of {', '.join(names)}")


def _patch_values(vision: Any) -> int:
    channels: Any = getattr(vision, "in_channels", None) or getattr(vision, "num_channels", 3)
    return int(channels) * int(getattr(vision, "temporal_patch_size", 1)) * int(vision.patch_size) ** 2


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
