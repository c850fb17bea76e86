"""Time of one token for every completion of two groups; ``pytest --benchmark-enable`` measures."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from medix.policy.decoder_step import DecoderStep
from medix.policy.decoding import Decoding
from medix.policy.shared_decoding import SharedDecoding
from medix.policy.tiny import TinySize, build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import Sampling
from medix.rollout.token_picker import TokenPicker
from tests.support.tiny import loaded, render, sample

SIZE = TinySize(width=256, depth=4, heads=4, hidden=768)
GROUPS, COMPLETIONS, STEPS = 2, 8, 3


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> VisionLanguagePolicy:
    return loaded(build_tiny("qwen3_vl", tmp_path_factory.mktemp("decoding"), SIZE)).eval()


@pytest.fixture
def sampling_mode(policy: VisionLanguagePolicy) -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.mark.usefixtures("sampling_mode")
@pytest.mark.parametrize("way", ["shared", "plain"])
def test_one_token_of_every_completion(benchmark: Any, policy: VisionLanguagePolicy, way: str) -> None:
    """Two prompts of about 500 tokens, eight completions each."""
    prompts = [render(policy, sample(str(n), "yes left " * 235 + "?" * n)) for n in range(GROUPS)]
    tokens = torch.full((GROUPS * COMPLETIONS,), 65)
    decoder = DecoderStep(policy.hugging_face)

    def fresh() -> tuple[tuple[Decoding | SharedDecoding], dict[str, Any]]:
        made: Decoding | SharedDecoding = policy.prefill(prompts)
        if way == "shared":
            made = SharedDecoding([made], COMPLETIONS, room=STEPS, decoder=decoder)
        else:
            made.repeat(COMPLETIONS)
        return (made,), {}

    def steps(decoding: Decoding | SharedDecoding) -> torch.Tensor:
        for _ in range(STEPS):
            policy.decode(decoding, tokens)
        return decoding.logits

    logits = benchmark.pedantic(steps, setup=fresh, rounds=3)
    assert logits.shape[0] == GROUPS * COMPLETIONS


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_p=0.95)], ids=["all", "nucleus"])
def test_picking_one_token_per_row(benchmark: Any, sampling: Sampling) -> None:
    """Sixteen rows of Qwen's 151,936 tokens, of which fifty are likely."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(16, 151_936, generator=generator)
    logits[:, 1000:1050] += 15
    draws = torch.rand(16, generator=generator, dtype=torch.float64)
    picker = TokenPicker(sampling, tuple(range(151_643, 151_700)))
    assert len(benchmark(picker.pick, logits, draws).token_ids) == 16
