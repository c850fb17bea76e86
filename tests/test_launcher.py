"""What torchrun and Slurm say of the ranks that they have started, and what contradicts a spec."""

from types import SimpleNamespace
from typing import Any

import pytest

from medix.launcher import Launcher

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
SLURM = {
    "SLURM_NTASKS": "6",
    "SLURM_NNODES": "3",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "6",
    "SLURM_JOB_NAME": "medix",
}


def launcher(environment: dict[str, str]) -> Launcher:
    found = Launcher.of(environment)
    assert found is not None
    return found


def test_torchrun_says_the_ranks_of_a_node_and_of_all() -> None:
    """8 ranks, 4 on each node: 2 nodes."""
    found = launcher(TORCHRUN)
    assert (found.devices, found.nodes) == (4, 2)
    assert str(found) == "8 ranks, 4 on each of 2 nodes"


def test_slurm_says_the_tasks_and_the_nodes_of_a_step() -> None:
    """6 tasks on 3 nodes: 2 on each."""
    found = launcher(SLURM)
    assert (found.devices, found.nodes) == (2, 3)
    assert found.variables == "SLURM_NTASKS 6, SLURM_NNODES 3"


def test_torchrun_inside_a_slurm_step_has_started_the_ranks() -> None:
    assert launcher(SLURM | TORCHRUN).name == "torchrun"


@pytest.mark.parametrize("environment", [
    {},
    {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "bash"},
    {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "interactive"},
    {"WORLD_SIZE": "2", "NODE_RANK": "1"},
    {"WORLD_SIZE": "2", "LOCAL_RANK": "1"},
    {"WORLD_SIZE": "1", "PET_NNODES": "1"},
])  # fmt: skip
def test_where_lightning_starts_the_ranks_there_is_no_launcher(environment: dict[str, str]) -> None:
    assert Launcher.of(environment) is None


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (TORCHRUN | {"WORLD_SIZE": "7"}, "LOCAL_WORLD_SIZE 4 of WORLD_SIZE 7: .*same --nproc-per-node"),
        ({"SLURM_NTASKS": "4", "SLURM_NNODES": "2"}, "SLURM_NTASKS 4, but this process was not started by srun"),
        (SLURM | {"SLURM_NTASKS_PER_NODE": "3"}, "SLURM_NTASKS 6, SLURM_NNODES 3, SLURM_NTASKS_PER_NODE 3: "),
        (SLURM | {"SLURM_NTASKS": "7"}, "SLURM_NTASKS 7, SLURM_NNODES 3, SLURM_NTASKS_PER_NODE 2: "),
        ({k: v for k, v in SLURM.items() if "PER_NODE" not in k}, "SLURM_NTASKS_PER_NODE not set: .*--ntasks-per-node"),
        (SLURM | {"SLURM_JOB_NAME": "interactive"}, "SLURM_JOB_NAME interactive: .*6 tasks.*--job-name=medix"),
        ({"PET_NNODES": "2"}, "PET_NNODES: 2 .*torchrun -m medix"),
        ({"PET_NNODES": "1:4"}, "PET_NNODES: 1:4 .*torchrun -m medix"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "pod-0"}, "WORLD_SIZE: 2 .*torchrun -m medix"),
    ],
)
def test_ranks_that_would_wait_for_each_other_or_train_alone_are_refused(
    environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Launcher.of(environment)


@pytest.mark.parametrize("trainer", [
    {"devices": "auto", "num_nodes": 1}, {"devices": -1}, {"devices": 4, "num_nodes": 2}, {"devices": "4"},
    {"devices": [0, 1, 2, 3]}, {"devices": "0,1,2,3"}, {"devices": None},
])  # fmt: skip
def test_what_a_spec_does_not_state_is_read_from_the_launcher(trainer: dict[str, Any]) -> None:
    found = launcher(TORCHRUN).resolve(trainer, is_nodes_stated=trainer.get("num_nodes") == 2)
    assert found == {"devices": 4, "num_nodes": 2}


@pytest.mark.parametrize(("trainer", "message"), [
    ({"devices": 8}, "trainer.devices: 8 in the spec, but torchrun has started 8 ranks, 4 on each of 2 nodes "),
    ({"num_nodes": 1}, "trainer.num_nodes: 1 in the spec, .*LOCAL_WORLD_SIZE 4, WORLD_SIZE 8.*leave the key out"),
])  # fmt: skip
def test_a_spec_that_states_other_numbers_is_refused(trainer: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        launcher(TORCHRUN).resolve(trainer, is_nodes_stated=True)


def test_weights_sharded_over_other_ranks_are_refused() -> None:
    found = launcher(TORCHRUN)
    for fits in (None, "ddp", SimpleNamespace(_data_parallel_size=8), SimpleNamespace(_data_parallel_size="auto")):
        found.check_shards(fits)
    with pytest.raises(ValueError, match=r"data_parallel_size 16 .*8 ranks, .*set data_parallel_size: 8"):
        found.check_shards(SimpleNamespace(_data_parallel_size=16))
