"""Runs on nodes that this machine stands for: the weights of one process, and errors with what was said."""

import json
from pathlib import Path

import pytest

from tools.bench_strategies import main
from tools.cluster_runs import on_ranks


@pytest.mark.slurm
@pytest.mark.netns
def test_two_machines_and_two_nodes_of_slurm_train_the_weights_of_one_process(tmp_path: Path) -> None:
    shape = ["--widths", "32", "--prompts", "4", "--completions", "2", "--tokens", "4", "--steps", "2", "--rounds", "1"]
    file = tmp_path / "rows.json"
    assert main(["--strategies", "one", "two-machines", "slurm", *shape, "--json", str(file)]) == 0
    one, *others = json.loads(file.read_text())
    assert [row["strategy"] for row in others] == ["two-machines", "slurm"]
    for row in others:
        assert 0 < row["difference"] <= 1e-6 < 1e-4 < one["moved"]
        assert row["restores"] > 0


def test_a_command_that_fails_is_an_error_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"statuses \[2\](.|\n)*none\.yaml"):
        on_ranks(tmp_path, [["fit", "--config", "none.yaml"]], ranks=1)
