"""``python -m medix rollout``."""

import pytest

from medix.__main__ import main as medix
from medix.rollout.serving import rollout_server


def main(words: list[str]) -> int:
    return medix(["rollout", *words])


def test_serve_passes_its_words_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[rollout_server.RolloutServer] = []

    def run(self: rollout_server.RolloutServer) -> int:
        seen.append(self)
        return 7

    monkeypatch.setattr(rollout_server.RolloutServer, "run", run)
    words = ["--model", "M", "--port", "0", "--max-model-len", "64", "--channel", "nccl", "--start-limit", "9"]
    assert medix(["rollout", "serve", *words, "--extra", "--dtype", "float32"]) == 7
    assert seen == [
        rollout_server.RolloutServer(
            "M", port=0, max_model_len=64, start_limit=9, channel="nccl", extra=("--dtype", "float32")
        )
    ]


def test_without_words_it_listens_on_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout_server.RolloutServer, "run", lambda self: int(self.host == "127.0.0.1") + self.port)
    assert main(["serve", "--model", "M"]) == 8087


def test_the_impossible_is_status_2_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--model", "M", "--port", "70000"]) == 2
    assert "medix rollout serve: --port 70000: is no port" in capsys.readouterr().err


def test_help_says_who_may_reach_the_port(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "Anyone who can reach its port can replace them" in capsys.readouterr().out
