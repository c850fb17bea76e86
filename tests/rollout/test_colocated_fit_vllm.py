"""A few steps of DAPO by the command line, sampled by vLLM in the training process."""

import csv
import math
from pathlib import Path

import pytest
import yaml

from medix.policy.tiny import TinySize, build_tiny
from tests.support.runs import medix, small_spec, write_spec
from tests.support.vllm_server import need_vllm

pytestmark = pytest.mark.vllm


def test_a_dapo_fit_stays_in_step_and_says_so(tmp_path: Path) -> None:
    """Another engine is another block in the spec; every step logs how far engine and policy lie apart."""
    need_vllm()
    sizes = TinySize(width=64, vision_width=64)  # heads of 32: attention of vLLM on a CPU knows no smaller ones
    arguments = {
        "sampling": {"completions_per_prompt": 3, "max_completion_tokens": 6},
        "cache_gigabytes": 0.2, "max_context": 1024, "max_rows": 16, "enforce_eager": True,
    }  # fmt: skip
    engine = {"class_path": "medix.rollout.colocated.ColocatedEngine", "init_args": arguments}
    policy = build_tiny("qwen3_vl", tmp_path / "policy", sizes)
    spec = small_spec(tmp_path, policy, model={"engine": engine, "max_steps": 3})
    write_spec(tmp_path, spec)
    medix(tmp_path, "fit", "--config", "spec.yaml", HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="")
    with next(tmp_path.glob("run/logs/*/metrics.csv")).open() as file:
        rows = list(csv.DictReader(file))
    found = [float(row["train/mismatch"]) for row in rows if row.get("train/mismatch")]
    assert len(found) == 3
    assert all(0 <= value < 1e-5 for value in found), found
    assert (tmp_path / "run" / "checkpoints" / "step-000003.ckpt").is_file()
    kept = yaml.safe_load((tmp_path / "run" / "spec.yaml").read_text())
    assert kept["model"]["engine"]["class_path"] == "medix.rollout.colocated.ColocatedEngine"
    assert not math.isnan(found[-1])
