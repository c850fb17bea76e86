"""The order of test files: the longest first, so that no worker is left alone with one at the end."""

from pathlib import Path

LONGEST = (
    "test_demo",
    "test_served_vllm",
    "test_reward_curve_vllm",
    "test_real_vllm",
    "test_ranks_training",
    "test_resume",
    "test_packaging",
    "test_bench_memory",
    "test_cli",
    "test_colocated_vllm",
    "test_colocated_fit_vllm",
    "test_slurm",
    "test_ranks_waiting",
    "test_zero_strategy",
    "test_ten_kills",
    "test_durability",
    "test_torchrun",
    "test_sharded",
    "test_study_browser",
    "test_replay_verification",
    "test_cluster_runs",
    "test_families",
    "test_last_step",
)
"""Names of test files that take more than half a minute, in the order in which they are begun."""


def rank(path: Path) -> int:
    """The place of a test file among the others; those that are not long come last, in the order of collection."""
    return LONGEST.index(path.stem) if path.stem in LONGEST else len(LONGEST)
