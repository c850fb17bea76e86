"""A few steps of DAPO by the command line, sampled by vLLM in the training process."""

from pathlib import Path

import pytest
import yaml

from medix.policy.tiny import TinySize, build_tiny
from tests.support.inside import working_in
from tests.support.rollout_fits import STOP, assert_stopped_and_left_out, ending_policy, logged, versions
from tests.support.runs import small_spec, write_spec

pytestmark = pytest.mark.vllm


def test_a_dapo_fit_stays_in_step_and_says_so(tmp_path: Path) -> None:
    """Another engine is another block in the spec; every step logs how far engine and policy lie apart.

    Completions end with ``</answer>``, and those that the limit cut leave the loss.
    """
    sizes = TinySize(width=64, vision_width=64)  # heads of 32: attention of vLLM on a CPU knows no smaller ones
    arguments = {
        "sampling": {"completions_per_prompt": 4, "max_completion_tokens": 12, "stop": [STOP]},
        "cache_gigabytes": 0.2, "max_context": 1024, "max_rows": 16, "enforce_eager": True,
    }  # fmt: skip
    engine = {"class_path": "medix.rollout.colocated.ColocatedEngine", "init_args": arguments}
    policy = ending_policy(build_tiny("qwen3_vl", tmp_path / "untaught", sizes), tmp_path / "policy", share=1 / 4)
    keep = {"class_path": "medix.rollout.KeepScored"}  # every step is one rollout
    update = {"truncated": "leave_out", "prompts_per_update": 4}  # of two, none might have ended
    model = {"engine": engine, "max_steps": 3, "group_filter": keep, "update": update}
    model["optimizer"] = {"init_args": {"lr": 0.0005}}
    write_spec(tmp_path, small_spec(tmp_path, policy, model=model))
    with working_in(tmp_path) as inside:
        ended = inside("fit", "--config", "spec.yaml")
    assert ended.code == 0, ended.err
    run = tmp_path / "run"
    found = logged(run)
    assert set(found) == {1, 2, 3}
    for numbers in found.values():
        assert 0 <= numbers["train/mismatch"] < 1e-5
        assert 0 <= numbers["train/mismatch_kl"] < 1e-8
        assert numbers["train/staleness"] == 0
    assert versions(run) == {1: {0}, 2: {1}, 3: {2}}
    assert_stopped_and_left_out(run)
    assert (run / "checkpoints" / "step-000003.ckpt").is_file()
    kept = yaml.safe_load((run / "spec.yaml").read_text())
    assert kept["model"]["engine"]["class_path"] == "medix.rollout.colocated.ColocatedEngine"
