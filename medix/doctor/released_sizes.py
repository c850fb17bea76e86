"""Sizes of released models, to plan a run on a machine that has neither the model nor a network."""

from typing import Any

import transformers

_TEXT: dict[str, Any] = {"head_dim": 128, "vocab_size": 151_936, "max_position_embeddings": 262_144}
_VISION: dict[str, Any] = {
    "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "patch_size": 16,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "num_position_embeddings": 2304,
    "deepstack_visual_indexes": [8, 16, 24],
}  # fmt: skip
_SMALL: dict[str, Any] = {
    "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "deepstack_visual_indexes": [5, 11, 17],
}  # fmt: skip
_DENSE, _EXPERTS = "Qwen3VLConfig", "Qwen3VLMoeConfig"
_SIZES: dict[str, tuple[str, bool, dict[str, Any], dict[str, Any]]] = {
    "Qwen/Qwen3-VL-2B": (_DENSE, True, {
        "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 8,
    }, _SMALL),
    "Qwen/Qwen3-VL-8B": (_DENSE, False, {
        "hidden_size": 4096, "intermediate_size": 12_288, "num_hidden_layers": 36, "num_attention_heads": 32,
        "num_key_value_heads": 8,
    }, {}),
    "Qwen/Qwen3-VL-30B-A3B": (_EXPERTS, False, {
        "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 48, "num_attention_heads": 32,
        "num_key_value_heads": 4, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
    }, {}),
}  # fmt: skip
"""Configuration class, whether embeddings are the head, and changes of text and vision sizes, by name."""


def released_config(name: str) -> Any | None:
    """The configuration of a released model as far as its sizes; None for an unknown one.

    Its model has as many parameters as the published checkpoint.

    Args:
        name: on the hub, such as ``Qwen/Qwen3-VL-8B-Instruct``.
    """
    base = name.removesuffix("-Instruct").removesuffix("-Thinking")
    if base not in _SIZES or base == name:
        return None
    kind, tied, text, vision = _SIZES[base]
    return getattr(transformers, kind)(
        text_config=_TEXT | text,
        vision_config=_VISION | vision | {"out_hidden_size": text["hidden_size"]},
        tie_word_embeddings=tied,
    )
