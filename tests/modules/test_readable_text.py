"""What a run says before its first step about tags and references."""

import logging
from pathlib import Path
from typing import Any

import pytest

from medix.data.build import write_shards
from medix.data.datamodule import ShardDataModule
from medix.data.manifest import DataStatement
from medix.modality import ModalitySet
from medix.modules.readable_text import check_tags, tell_unread_references
from medix.rewards import EmbeddingReward, RewardSuite, Weighted
from medix.special_tokens import CompletionDecoder
from medix.types import Sample
from tests.support.encoders import CountingEncoder
from tests.support.policies import BigramPolicy


def test_a_policy_whose_tokenizer_loses_tags_is_refused_by_their_names() -> None:
    class Lossy:
        pad_token_id = unk_token_id = None
        all_special_ids = all_special_tokens = ()

        def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
            return {"input_ids": [ord(letter) for letter in text.replace("_", "")]}

        def decode(self, ids: list[int], **_: Any) -> str:
            return "".join(map(chr, ids))

    policy = BigramPolicy()
    policy.text_of = CompletionDecoder(Lossy(), ())  # type: ignore[assignment]
    check_tags(policy, ModalitySet(["CT", "MRI"]))
    with pytest.raises(ValueError, match=r"policy.name: the tokenizer loses <CT_SCAN> when .*; give a policy whose"):
        check_tags(policy, ModalitySet(["CT_SCAN", "MRI"]))


def test_a_policy_without_a_decoder_is_not_checked() -> None:
    check_tags(BigramPolicy(), ModalitySet())


@pytest.mark.parametrize(("reference", "told"), [("左", True), ("left", False)])
def test_the_share_of_references_that_no_encoder_reads_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, reference: str, told: bool
) -> None:
    samples = [Sample(f"s{number}", "?", reference if number else "right", None) for number in range(4)]
    write_shards(samples, tmp_path, DataStatement("made", "CC0-1.0", "drawn by a program"))
    suite = RewardSuite({"near": Weighted(EmbeddingReward(CountingEncoder()), 1.0)})
    with caplog.at_level(logging.WARNING):
        tell_unread_references(suite, ShardDataModule(train=[str(tmp_path)]))
        tell_unread_references(suite, None)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == told
    if told:
        assert "components.near: its encoder cannot read the references of 3 of 4 samples (75.0%), such as" in lines[0]
        assert "SentenceEncoder.languages" in lines[0]
