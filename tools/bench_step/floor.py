"""Lower bounds of the times of an update and of decoding: operations and bytes at the best rates of this machine."""

import time
from typing import Any

import torch

from tools.bench_step.workload import Shape


def update_operations(config: Any, shape: Shape, prompt: int) -> float:
    """Floating-point operations of forward and backward pass with every prompt and image passed once.

    A product of [m, k] with [k, n] counts 2·m·k·n, and twice that in the backward pass, for the inputs and for the
    weights. The patch embedding has no gradient for its inputs. Attention counts the pairs of tokens that attend to
    each other; recomputed or masked operations of a kernel are not counted, nor are norms, rotations and softmax.

    Args:
        config: configuration of a Qwen3-VL.
        shape: shape of the step.
        prompt: number of tokens of each prompt.
    """
    image = shape.image[0] * shape.image[1]
    G, T = shape.group_size, shape.completion_tokens
    inputs = prompt + G * (T - 1)  # the last token of a completion predicts nothing
    seen = prompt * (prompt + 1) / 2 + G * ((T - 1) * prompt + (T - 1) * T / 2)
    vision = config.vision_config
    once = (
        inputs * _text_linear(config.text_config)
        + seen * _text_pair(config.text_config)
        + 2 * G * T * config.text_config.hidden_size * config.text_config.vocab_size
        + image * _vision_linear(vision)
        + (4 * image) ** 2 * 4 * vision.hidden_size * vision.depth
    )
    pixels = 3 * vision.temporal_patch_size * vision.patch_size**2
    return float(shape.prompts * (3.0 * once + 2 * 2 * 4 * image * pixels * vision.hidden_size))


def _text_linear(text: Any) -> float:
    """Operations of the linear layers per token."""
    queries = text.num_attention_heads * text.head_dim
    keys = text.num_key_value_heads * text.head_dim
    weights = text.hidden_size * (2 * queries + 2 * keys + 3 * text.intermediate_size)
    return float(2 * weights * text.num_hidden_layers)


def _text_pair(text: Any) -> float:
    """Operations of attention per pair of tokens: a product with the key and one with the value."""
    return float(4 * text.num_attention_heads * text.head_dim * text.num_hidden_layers)


def _vision_linear(vision: Any) -> float:
    """Operations of the tower's linear layers and its mergers per token of an image, which is four patches."""
    width = vision.hidden_size
    layer = width * (4 * width + 2 * vision.intermediate_size)
    merger = 4 * width * (4 * width + vision.out_hidden_size)
    return float(2 * (4 * layer * vision.depth + merger * (1 + len(vision.deepstack_visual_indexes))))


def best_rate(config: Any, shape: Shape, prompt: int, repeats: int = 5) -> float:
    """The highest rate, in operations per second, of the matrix products that an update consists of."""
    text, vision = config.text_config, config.vision_config
    tokens = prompt + shape.group_size * (shape.completion_tokens - 1)
    patches = 4 * shape.image[0] * shape.image[1]
    products = [
        (tokens, text.hidden_size, text.intermediate_size),
        (tokens, text.intermediate_size, text.hidden_size),
        (tokens, text.hidden_size, text.num_attention_heads * text.head_dim),
        (text.intermediate_size, tokens, text.hidden_size),
        (shape.group_size * shape.completion_tokens, text.hidden_size, text.vocab_size),
        (patches, vision.hidden_size, vision.intermediate_size),
        (patches, vision.hidden_size, 3 * vision.hidden_size),
    ]
    return max(_rate(*product, repeats) for product in products)


def _rate(m: int, k: int, n: int, repeats: int) -> float:
    left, right = torch.randn(m, k), torch.randn(k, n)
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - start)
    return 2.0 * m * k * n / min(seconds[1:])


def decode_bytes(config: Any, shape: Shape, prompt: int) -> float:
    """Bytes that decoding must read in float32, all completions of a step at once: weights and caches, once per token.

    Weights are those of the linear layers of the language model and its head; caches are the keys and values of each
    prompt, once for its completions, and those that each completion has written. The first token of a completion needs
    no decoding: the pass over the prompt predicts it.

    Args:
        config: configuration of a Qwen3-VL.
        shape: shape of the step.
        prompt: number of tokens of each prompt.
    """
    text = config.text_config
    G, T = shape.group_size, shape.completion_tokens
    weights = _text_linear(text) / 2 + text.hidden_size * text.vocab_size
    token = 2 * text.num_key_value_heads * text.head_dim * text.num_hidden_layers
    cached = shape.prompts * ((T - 1) * prompt + G * T * (T - 1) / 2)
    return float(4 * ((T - 1) * weights + cached * token))


def best_read_rate(size: int = 2**26, repeats: int = 5) -> float:
    """The highest rate, in bytes per second, at which a tensor that no cache of a processor core holds is read.

    Args:
        size: numbers of the tensor, float32.
        repeats: readings, of which the fastest counts.
    """
    numbers = torch.ones(size)
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        numbers.sum()
        seconds.append(time.perf_counter() - start)
    return 4.0 * size / min(seconds[1:])
