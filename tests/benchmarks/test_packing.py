"""Time of what stands around the passes; ``pytest --benchmark-enable`` measures."""

from typing import Any

import pytest
import torch

from medix.grammar import parse
from medix.modality import ModalitySet
from medix.modules.loss_input import Denominators, loss_input
from medix.modules.training_group import TrainingGroup
from medix.modules.update import Update
from medix.policy.packing import PackedRow
from medix.types import RolloutGroup
from tests.support.policies import BigramPolicy, group

GROUP = [128] * 8


@pytest.fixture(scope="module")
def groups() -> list[TrainingGroup]:
    policy = BigramPolicy()
    made: list[RolloutGroup] = [group(policy, GROUP, prompt=7, seed=seed) for seed in range(16)]
    rows = tuple(torch.zeros(length) for length in GROUP)
    return [TrainingGroup(one, tuple(float(n) for n in range(8)), rows) for one in made]


@pytest.mark.parametrize("window", [None, 512], ids=["full", "window"])
def test_tiles_of_a_packed_row(benchmark: Any, window: int | None) -> None:
    """Four groups of a prompt of 1,000 tokens and eight completions of 128."""

    def tiles() -> int:
        row = PackedRow([1000] * 4, [GROUP] * 4)
        row.cuts(window)
        return len(row.tiles(window))

    assert benchmark(tiles) == 4 * 9


def test_micro_batches_of_an_update(benchmark: Any, groups: list[TrainingGroup]) -> None:
    """Sixteen groups of eight completions, four groups in each micro-batch."""
    update = Update(prompts_per_update=16, tokens_per_microbatch=4 * (7 + 8 * 128))
    assert len(benchmark(update.microbatches, groups)) == 4


def test_collating_a_micro_batch(benchmark: Any, groups: list[TrainingGroup]) -> None:
    """Four groups of eight completions of 128 tokens."""
    rows = torch.zeros(32, 128)
    made = benchmark(loss_input, groups[:4], rows, Denominators(4096, 32, 128))
    assert made.completion_mask.all()


def test_parsing_a_completion(benchmark: Any) -> None:
    """A tag, 400 words of reasoning, an answer."""
    text = f"<CT_SCAN><think>{'a small nodule in the left upper lobe ' * 50}</think><answer>nodule</answer>"
    assert benchmark(parse, text, ModalitySet()).answer == "nodule"
