"""A real vLLM beside the policy is right after an update, and a wrong one is a failure."""

from pathlib import Path

import pytest
import torch

from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from tools.accelerator_check import colocated
from tools.accelerator_check.groups import groups
from tools.accelerator_check.part import AbsentError
from tools.bench_step.workload import Shape


@pytest.mark.vllm
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
def test_log_probabilities_are_those_of_the_policy_before_and_after_an_update(tmp_path: Path) -> None:
    found = colocated.Colocated(tmp_path, tiny=True)._published("float32")
    assert 0 < found["mismatch_before"] <= 2e-4
    assert 0 < found["mismatch_after"] <= 2e-4


def test_the_mismatch_is_the_mean_difference_of_tokens(tmp_path: Path) -> None:
    """Completions of 2 and 1 tokens, for which the engine claims a probability of one."""
    policy = VisionLanguagePolicy(str(build_tiny("qwen3_vl", tmp_path)))
    policy.load()
    drawn = groups(policy, Shape("", (2, 2), 4, 2, 2, 1))
    with torch.no_grad():
        rows = policy.logprobs(drawn)
    expected = -float(rows[0, :2].sum() + rows[1, 0]) / 3
    assert colocated.mismatch(policy, drawn) == pytest.approx(expected, rel=1e-6)


def test_without_vllm_it_is_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for _, case in colocated.Colocated(tmp_path, tiny=True).cases():
        with pytest.raises(AbsentError, match="vLLM is not installed"):
            case()
