"""The benchmark of the step: what it counts by hand, and that all sides do the same work."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig

from medix.policy.tiny import TinySize
from tests.support.tiny import loaded, render, written
from tools.bench_step import __main__ as bench
from tools.bench_step import workload
from tools.bench_step.floor import best_rate, best_read_rate, decode_bytes, update_operations
from tools.bench_step.seconds import Seconds
from tools.bench_step.workload import SHAPES, Shape

SMALL = Shape("small", (2, 3), 4, 3, 4, 2)
SIZE = TinySize(image_side=256)


def test_operations_of_one_layer_are_the_hand_counted_ones() -> None:
    """P = 3, G = 2, T = 2, an image of one token (four patches).

    5 tokens pass. Text: 34 weights a layer (4 + 4 + 4 + 4 + 18), 68 operations a token, 340. Pairs that see each other:
    6 of the prompt and 2 · (3 + 1), each 8 operations, 112. Head: 4 tokens · 2 · 5 scores · 2, 80. Tower: a layer of 28
    weights for 4 patches and two mergers of 80, twice 272, 544; 16 pairs of patches, 128. Sum 1,204, three times 3,612.
    Patches: 6 numbers to 2 channels, 4 patches, twice 96 as inputs have no gradient: 192.
    """
    text = SimpleNamespace(
        hidden_size=2, num_attention_heads=1, num_key_value_heads=1, head_dim=2, intermediate_size=3,
        num_hidden_layers=1, vocab_size=5,
    )  # fmt: skip
    vision = SimpleNamespace(
        hidden_size=2, intermediate_size=3, depth=1, patch_size=1, temporal_patch_size=2, out_hidden_size=2,
        deepstack_visual_indexes=[0],
    )  # fmt: skip
    config = SimpleNamespace(text_config=text, vision_config=vision)
    shape = Shape("hand", (1, 1), 1, 2, 2, 1)
    assert update_operations(config, shape, prompt=3) == 3804
    assert update_operations(config, replace(shape, prompts=4), prompt=3) == 4 * 3804


def test_bytes_of_one_layer_are_the_hand_counted_ones() -> None:
    """P = 3, G = 2, T = 3, so two tokens of each completion are decoded, after caches of 3 + 1 and 3 + 2 tokens.

    Weights: 34 a layer and 10 of the head, read twice, 88 numbers. A token in the cache has a key and a value of 2
    each, 4 numbers: the prompt's 3 are read twice, 24; the own ones are 1 + 2 for each of two completions, 24. In all
    136 numbers of four bytes.
    """
    text = SimpleNamespace(
        hidden_size=2, num_attention_heads=1, num_key_value_heads=1, head_dim=2, intermediate_size=3,
        num_hidden_layers=1, vocab_size=5,
    )  # fmt: skip
    shape = Shape("hand", (1, 1), 1, 2, 3, 1)
    assert decode_bytes(SimpleNamespace(text_config=text), shape, prompt=3) == 4 * 136
    assert decode_bytes(SimpleNamespace(text_config=text), replace(shape, prompts=2), prompt=3) == 4 * (88 + 2 * 48)


def test_linear_layers_are_counted_as_pytorch_counts_them(tmp_path: Path) -> None:
    """Forward pass without attention. The counter sees the pass itself: nothing is computed twice or for nothing."""
    folder = workload.build(tmp_path, SIZE)
    policy = loaded(folder)
    policy._checked |= {"values", "gradients", "images"}
    prompt = render(policy, workload.samples(SMALL)[0])
    group = written(policy, prompt, (SMALL.completion_tokens,) * SMALL.group_size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        policy.logprobs([group])
    counts = {str(name): count for name, count in counter.get_flop_counts()["Global"].items()}
    found = sum(count for name, count in counts.items() if "mm" in name)
    config = AutoConfig.from_pretrained(folder)
    P, G, T, image = len(prompt.token_ids), SMALL.group_size, SMALL.completion_tokens, 6
    expected = update_operations(config, replace(SMALL, prompts=1), P)
    text, vision = config.text_config, config.vision_config
    seen = P * (P + 1) / 2 + G * ((T - 1) * P + (T - 1) * T / 2)
    attention = seen * 4 * text.num_attention_heads * text.head_dim * text.num_hidden_layers
    attention += (4 * image) ** 2 * 4 * vision.hidden_size * vision.depth
    patches = 2 * 4 * image * 3 * vision.temporal_patch_size * vision.patch_size**2 * vision.hidden_size
    assert found == pytest.approx((expected - 2 * patches) / 3 - attention + patches, rel=1e-9)


def test_the_model_and_the_prompts_have_the_sizes_that_are_reported(tmp_path: Path) -> None:
    policy = loaded(workload.build(tmp_path))
    assert sum(parameter.numel() for parameter in policy.parameters()) == pytest.approx(32e6, rel=0.02)
    for shape, expected in zip(SHAPES, (510, 1000, 2000), strict=True):
        assert len(render(policy, workload.samples(shape)[0]).token_ids) == pytest.approx(expected, rel=0.05)


def test_every_side_does_the_same_work_and_the_row_has_its_keys(tmp_path: Path) -> None:
    row = bench.measure(
        workload.build(tmp_path / "model", SIZE), SMALL, rounds=1, warm_up=["shared"], advance=lambda: None
    )
    assert (row["group_size"], row["completion_tokens"], row["prompts"]) == (3, 4, 2)
    for key in ("step_ratio_trl", "update_ratio_trl", "generate_ratio_trl", "update_ratio_plain", "update_over_floor"):
        assert row[key] > 0
    assert math.isfinite(row["decode_over_floor"])  # a difference of two times, which at this size is of any sign
    for taken in row["seconds"].values():
        assert taken["step"] >= taken["generate"] + taken["reward"] + taken["update"] - 0.01
        assert taken["old"] > 0


def test_ratios_are_those_of_the_medians() -> None:
    steps = [Seconds(generate=n, reward=1, update=2 * n, step=4 * n, old=1) for n in (1.0, 9.0, 2.0)]
    shared = Seconds.median(steps)
    assert shared == Seconds(2, 1, 4, 8, 1)
    row = bench.row(SMALL, 10, {"shared": shared, "plain": Seconds(2, 1, 8, 12, 3), "trl": Seconds(6, 1, 16, 24, 2)},
                    operations=6e9, rate=3e9, decoding=bench.Decoding(seconds=6, bytes=4e9, rate=2e9))  # fmt: skip
    assert (row["step_ratio_trl"], row["update_ratio_trl"], row["generate_ratio_trl"]) == (3, 4, 3)
    assert (row["update_ratio_plain"], row["old_ratio_plain"]) == (2, 3)
    assert (row["floor_s"], row["update_over_floor"], row["decode_over_floor"]) == (2, 2, 3)
    assert row["generated_tokens_per_s"]["trl"] == 2 * 3 * 4 / 6


def test_sides_of_different_work_are_an_error_and_no_benchmark() -> None:
    ours: Any = SimpleNamespace(prompt_tokens=10, completion_lengths={4})
    bench.check(SMALL, ours, SimpleNamespace(lengths=(10, 4)))  # type: ignore[arg-type]
    for lengths in ((11, 4), (10, 3)):
        with pytest.raises(RuntimeError, match=r"small: .* not comparable"):
            bench.check(SMALL, ours, SimpleNamespace(lengths=lengths))  # type: ignore[arg-type]


def test_the_rate_is_one_of_a_machine(tmp_path: Path) -> None:
    config = AutoConfig.from_pretrained(workload.build(tmp_path, SIZE))
    assert 1e6 < best_rate(config, SMALL, 20, repeats=1) < 1e15
    assert 1e6 < best_read_rate(2**16, repeats=1) < 1e15
