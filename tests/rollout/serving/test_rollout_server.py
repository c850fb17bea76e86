"""What a rollout server adds to a vLLM server."""

import importlib.util
import json

import pytest

from medix.rollout.engine import Sampling
from medix.rollout.served import ServedEngine
from medix.rollout.serving.key_guard import GUARD, KEY
from medix.rollout.serving.plugin import BACKEND
from medix.rollout.serving.rollout_server import RolloutServer


def value(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_token_ids_go_in_and_the_policys_log_probabilities_come_out() -> None:
    words = RolloutServer("M").words(7)
    assert "--enable-scale-out" in words
    assert "--no-mm-device-do-normalize" in words
    assert value(words, "--logprobs-mode") == "processed_logits"
    module, _, name = value(words, "--logits-processors").partition(":")
    assert importlib.util.find_spec(module) is not None
    assert name == "FullSoftmax"


@pytest.mark.parametrize(("channel", "backend"), [("folder", BACKEND), ("nccl", "nccl")])
def test_weights_come_by_the_channel(channel: str, backend: str) -> None:
    words = RolloutServer("M", channel=channel).words(7)  # type: ignore[arg-type]
    assert json.loads(value(words, "--weight-transfer-config")) == {"backend": backend}


def test_weights_can_be_replaced_over_http() -> None:
    assert RolloutServer("M").environment["VLLM_SERVER_DEV_MODE"] == "1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "gpu1", ""])
def test_off_the_loopback_a_key_is_required(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(ValueError, match=rf"--host {host}: whoever .* {KEY} here and where fit runs"):
        RolloutServer("M", host=host)
    monkeypatch.setenv(KEY, "k-1234")
    words = RolloutServer("M", host=host).words(7)
    assert value(words, "--middleware") == GUARD
    assert "k-1234" not in words  # every user of the machine can read a command line


def test_further_words_come_last_so_that_they_win() -> None:
    words = RolloutServer("M", max_model_len=9, extra=("--stream-interval", "1")).words(7)
    assert words[-2:] == ["--stream-interval", "1"]
    assert words.count("--stream-interval") == 2
    assert value(words, "--max-model-len") == "9"
    assert RolloutServer("M").words(7)[-1] == "vllm"


def test_the_block_is_the_engine_of_a_spec() -> None:
    block = RolloutServer("M").block("http://127.0.0.1:7")["model"]["engine"]
    engine = ServedEngine(Sampling(), **block["init_args"])
    assert engine.base_url == "http://127.0.0.1:7"
    nccl = RolloutServer("M", channel="nccl").block("http://h:7")["model"]["engine"]["init_args"]
    assert nccl["weights"]["class_path"].endswith("NCCLChannel")
