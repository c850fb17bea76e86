"""Tiny policies, created without a network: for tests, for the demo, and to try a spec before the real model."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
import transformers as _transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from medix.modality import ModalitySet
from medix.policy.released_layout import keep_released_layout

transformers: Any = _transformers
"""As Any: its configurations accept more arguments than their signatures declare."""

Architecture = Literal["qwen3_vl", "qwen3_vl_moe", "qwen2_5_vl", "gemma3", "smolvlm"]

_LINES = (
    "Which imaging modality is shown? What is seen in the left lung? Is there a fracture of the right femur?",
    "The chest X-ray shows no pleural effusion. The CT scan of the abdomen shows a liver lesion of 5 mm.",
    "The MRI of the brain shows a mass in the frontal lobe. The ultrasound shows a cyst of the kidney.",
    "The microscopy shows inflammation of the tissue. The angiography shows stenosis of the coronary artery.",
    "The fundus photograph shows haemorrhage of the retina. Endoscopy shows a polyp. Mammography is normal.",
    "yes no left right normal abnormal upper lower round square bright dark one two three four none",
    "You are a medical expert. Look at the image. First write the tag, then the reasoning, then the answer.",
    "user assistant system model User: Assistant: question answer image images reasoning",
)
_GRAMMAR = ("<think>", "</think>", "<answer>", "</answer>")


@dataclass(frozen=True)
class TinySize:
    """Size of a tiny policy.

    Args:
        width: hidden size of the language model; a multiple of 4 × ``heads``.
        depth: number of its layers.
        heads: number of its attention heads; half as many key and value heads.
        hidden: width of its feed-forward layers.
        vision_width: hidden size of the vision tower; a multiple of 32.
        vision_depth: number of its layers.
        image_side: side in pixels that Gemma 3 and SmolVLM resize images to; Qwen resizes only images of more than
            ``4 * image_side**2`` pixels.
        vocabulary: tokens of the byte-level BPE, without tags and special tokens; at least 256.
        initializer_range: standard deviation of the initial weights.
        context: maximum number of positions.
        experts: experts of each layer, of which a token uses two; for ``qwen3_vl_moe``.
    """

    width: int = 32
    depth: int = 2
    heads: int = 2
    hidden: int = 64
    vision_width: int = 32
    vision_depth: int = 2
    image_side: int = 64
    vocabulary: int = 384
    initializer_range: float = 0.1  # large enough that images and words change the output of an untrained model
    context: int = 2048
    experts: int = 4


SIZES = {
    "test": TinySize(),
    "demo": TinySize(
        width=128, depth=4, heads=4, hidden=384, vision_width=64, vision_depth=3, vocabulary=512, initializer_range=0.02
    ),
}


def build_tiny(
    architecture: Architecture,
    folder: str | Path,
    size: Literal["test", "demo"] | TinySize = "test",
    seed: int = 0,
    lines: Sequence[str] = (),
    modalities: ModalitySet | None = None,
) -> Path:
    """Create an untrained model with its processor and save both as a Hugging Face folder.

    The folder loads with ``AutoProcessor`` and ``AutoModelForImageTextToText``. Tags, ``<think>`` and ``<answer>`` are
    one token each, so that a completion is a few tokens; they are ordinary tokens and stay in decoded text.

    Args:
        architecture: which family.
        folder: output folder; created if missing.
        size: "test" for unit tests, "demo" for a policy of about 1.2 million parameters that can learn, or a size.
        seed: seed of the weights; the global random state is not used.
        lines: further training text for the tokenizer.
        modalities: modalities whose tags become tokens; the paper's 16 by default.
    """
    if architecture not in _BUILDERS:
        raise ValueError(f"architecture: {architecture!r} is not one of {', '.join(_BUILDERS)}")
    numbers = SIZES[size] if isinstance(size, str) else size
    builder = _BUILDERS[architecture]
    tokenizer = _train_tokenizer(builder, numbers, lines, ModalitySet() if modalities is None else modalities)
    processor = builder.processor(tokenizer, numbers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = builder.model(tokenizer, numbers)
    eos = tokenizer.convert_tokens_to_ids([builder.eos])
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=eos, pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, do_sample=False
    )
    folder = Path(folder)
    keep_released_layout(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _train_tokenizer(
    builder: "_Builder", size: TinySize, lines: Sequence[str], modalities: ModalitySet
) -> PreTrainedTokenizerFast:
    if size.vocabulary < 256:
        raise ValueError(f"size.vocabulary: {size.vocabulary} has no room for the 256 bytes; give at least 256")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size.vocabulary,
        min_frequency=1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*_LINES, *lines], trainer)
    tokenizer.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in (*modalities.tags, *_GRAMMAR)])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in builder.specials])
    wrapped: PreTrainedTokenizerFast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=builder.eos,
        pad_token=builder.pad,
        bos_token=builder.bos,
        extra_special_tokens=dict(builder.named),
        model_max_length=size.context,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    return wrapped


class _Builder(ABC):
    """Builds processor and model of one family."""

    eos: str
    pad: str
    bos: str | None = None
    specials: tuple[str, ...]
    named: Mapping[str, str] = MappingProxyType({})
    template: str

    @abstractmethod
    def processor(self, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
        """The processor around a trained tokenizer."""

    @abstractmethod
    def model(self, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
        """The model with fresh weights."""


class _Qwen3VL(_Builder):
    eos = "<|im_end|>"
    pad = "<|endoftext|>"
    specials = (
        "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
        "<|image_pad|>", "<|video_pad|>",
    )  # fmt: skip
    template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n"
        "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
        "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
        "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    patch = 16

    def processor(self, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
        return transformers.Qwen3VLProcessor(
            image_processor=self.image_processor(size),
            tokenizer=tokenizer,
            video_processor=transformers.Qwen3VLVideoProcessor(patch_size=self.patch, merge_size=2),
            chat_template=self.template,
        )

    def image_processor(self, size: TinySize) -> Any:
        """One token per square of two by two patches; only images that are too large or too small are resized."""
        side = 2 * self.patch
        return transformers.Qwen2VLImageProcessor(
            patch_size=self.patch,
            merge_size=2,
            size={"shortest_edge": side * side, "longest_edge": max(side * side, 4 * size.image_side**2)},
            image_mean=[0.5, 0.5, 0.5],
            image_std=[0.5, 0.5, 0.5],
        )

    def model(self, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
        head_dim = size.width // size.heads
        text = _text_sizes(tokenizer, size) | {
            "head_dim": head_dim,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": _mrope_section(head_dim),
                "mrope_interleaved": True,
            },
        }
        vision = {
            "depth": size.vision_depth,
            "hidden_size": size.vision_width,
            "intermediate_size": 2 * size.vision_width,
            "num_heads": 2,
            "patch_size": self.patch,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": size.width,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
            "initializer_range": size.initializer_range,
        }
        return self.built(text, vision, _qwen_placeholders(tokenizer), size)

    def built(self, text: dict[str, Any], vision: dict[str, Any], tokens: dict[str, Any], size: TinySize) -> Any:  # noqa: ARG002  # of experts
        """The model from its parts."""
        config = transformers.Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **tokens)
        return transformers.Qwen3VLForConditionalGeneration(config)


class _Qwen3VLMoe(_Qwen3VL):
    """With experts in every layer, and a head of its own, as released."""

    def built(self, text: dict[str, Any], vision: dict[str, Any], tokens: dict[str, Any], size: TinySize) -> Any:
        experts = {
            "num_experts": size.experts,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 2 * size.hidden,  # not the width: transformers tells layouts by shape
            "norm_topk_prob": True,  # vLLM asks for it; transformers does it always
        }
        config = transformers.Qwen3VLMoeConfig(
            text_config=text | experts, vision_config=vision, tie_word_embeddings=False, **tokens
        )
        return transformers.Qwen3VLMoeForConditionalGeneration(config)


class _Qwen25VL(_Qwen3VL):
    patch = 14

    def processor(self, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
        return transformers.Qwen2_5_VLProcessor(
            image_processor=self.image_processor(size),
            tokenizer=tokenizer,
            video_processor=transformers.Qwen2VLVideoProcessor(patch_size=self.patch, merge_size=2),
            chat_template=self.template,
        )

    def model(self, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
        text = _text_sizes(tokenizer, size) | {
            "bos_token_id": None,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10_000.0,
                "mrope_section": _mrope_section(size.width // size.heads),
            },
        }
        vision = {
            "depth": size.vision_depth,
            "hidden_size": size.vision_width,
            "intermediate_size": 2 * size.vision_width,
            "num_heads": 2,
            "patch_size": self.patch,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": size.width,
            "window_size": 4 * self.patch,
            "fullatt_block_indexes": [size.vision_depth - 1],
            "initializer_range": size.initializer_range,
        }
        config = transformers.Qwen2_5_VLConfig(
            text_config=text, vision_config=vision, tie_word_embeddings=False, **_qwen_placeholders(tokenizer)
        )
        return transformers.Qwen2_5_VLForConditionalGeneration(config)


class _Gemma3(_Builder):
    eos = "<end_of_turn>"
    pad = "<pad>"
    bos = "<bos>"
    specials = (
        "<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<end_of_image>",
        "<image_soft_token>",
    )  # fmt: skip
    named = MappingProxyType(
        {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    )
    template = (
        "{{ bos_token }}{% for message in messages %}<start_of_turn>"
        "{{ 'model' if message.role == 'assistant' else 'user' }}\n"
        "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
        "{% if part.type == 'image' %}<start_of_image>{% else %}{{ part.text }}{% endif %}"
        "{% endfor %}{% endif %}<end_of_turn>\n{% endfor %}"
        "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
    )
    patch = 16

    def processor(self, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
        return transformers.Gemma3Processor(
            image_processor=transformers.Gemma3ImageProcessor(
                size={"height": size.image_side, "width": size.image_side}
            ),
            tokenizer=tokenizer,
            chat_template=self.template,
            image_seq_length=self.tokens_per_image(size),
        )

    def tokens_per_image(self, size: TinySize) -> int:
        """One token per square of two by two patches."""
        return (size.image_side // self.patch // 2) ** 2

    def model(self, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
        text = _text_sizes(tokenizer, size) | {
            "head_dim": size.width // size.heads,
            "query_pre_attn_scalar": size.width // size.heads,
            "sliding_window": 32,  # shorter than a prompt, so that tests cover both kinds of layer
            "layer_types": ["full_attention" if layer % 2 else "sliding_attention" for layer in range(size.depth)],
            "bos_token_id": tokenizer.bos_token_id,
        }
        vision = {
            "hidden_size": size.vision_width,
            "intermediate_size": 2 * size.vision_width,
            "num_hidden_layers": size.vision_depth,
            "num_attention_heads": 2,
            "image_size": size.image_side,
            "patch_size": self.patch,
            "vision_use_head": False,  # as released: the pooling head has no part in Gemma 3
        }
        ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in self.named.items()}
        config = transformers.Gemma3Config(
            text_config=text,
            vision_config=vision,
            mm_tokens_per_image=self.tokens_per_image(size),
            image_token_index=ids["image_token"],
            boi_token_index=ids["boi_token"],
            eoi_token_index=ids["eoi_token"],
            initializer_range=size.initializer_range,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=tokenizer.bos_token_id,
        )
        model = transformers.Gemma3ForConditionalGeneration(config)
        # It is initialised to zero: an untrained model would ignore images, and tests of images could not fail.
        torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=size.initializer_range)
        return model


class _SmolVLM(_Builder):
    eos = "<end_of_utterance>"
    pad = "<|im_end|>"
    bos = "<|im_start|>"
    specials = (
        "<|im_start|>", "<|im_end|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>",
        *(f"<row_{row}_col_{column}>" for row in range(1, 3) for column in range(1, 3)),
    )  # fmt: skip
    template = (
        "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}:"
        "{% if message.content is string %} {{ message.content }}{% else %}{% for part in message.content %}"
        "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
        "{% endfor %}{% endif %}<end_of_utterance>\n{% endfor %}"
        "{% if add_generation_prompt %}Assistant:{% endif %}"
    )
    patch = 16
    scale = 2

    def processor(self, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
        side = {"longest_edge": size.image_side}
        return transformers.SmolVLMProcessor(
            image_processor=transformers.SmolVLMImageProcessor(size=side, max_image_size=side),
            tokenizer=tokenizer,
            video_processor=transformers.SmolVLMVideoProcessor(size=side, max_image_size=side),
            image_seq_len=(size.image_side // self.patch // self.scale) ** 2,
            chat_template=self.template,
        )

    def model(self, tokenizer: PreTrainedTokenizerFast, size: TinySize) -> Any:
        text = _text_sizes(tokenizer, size) | {"model_type": "llama", "bos_token_id": tokenizer.bos_token_id}
        vision = {
            "hidden_size": size.vision_width,
            "intermediate_size": 2 * size.vision_width,
            "num_hidden_layers": size.vision_depth,
            "num_attention_heads": 2,
            "image_size": size.image_side,
            "patch_size": self.patch,
            "initializer_range": size.initializer_range,
        }
        config = transformers.SmolVLMConfig(
            text_config=text,
            vision_config=vision,
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            scale_factor=self.scale,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        return transformers.SmolVLMForConditionalGeneration(config)


def _text_sizes(tokenizer: PreTrainedTokenizerFast, size: TinySize) -> dict[str, Any]:
    """Arguments that the language models of the four families share."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": size.width,
        "intermediate_size": size.hidden,
        "num_hidden_layers": size.depth,
        "num_attention_heads": size.heads,
        "num_key_value_heads": max(1, size.heads // 2),
        "max_position_embeddings": size.context,
        "initializer_range": size.initializer_range,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _mrope_section(head_dim: int) -> list[int]:
    """Numbers of a head's frequencies for time, height and width."""
    half = head_dim // 2
    side = half // 3
    return [half - 2 * side, side, side]


def _qwen_placeholders(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    tokens = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in tokens.items()}


_BUILDERS: dict[str, _Builder] = {
    "qwen3_vl": _Qwen3VL(),
    "qwen3_vl_moe": _Qwen3VLMoe(),
    "qwen2_5_vl": _Qwen25VL(),
    "gemma3": _Gemma3(),
    "smolvlm": _SmolVLM(),
}
