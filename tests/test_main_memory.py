"""Main memory: what can be had, and a limit."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from medix import main_memory

# Derived by hand.


def test_what_control_groups_leave_is_found_for_both_versions(tmp_path: Path) -> None:
    """Files that were read do not count as used: 1000 - 700 + 150 + 50 = 500; the group around leaves 2000 - 900."""
    for folder, names, limit, used in (
        ("two/a/b", ("memory.max", "memory.current", ""), "1000\n", "700\n"),
        ("two/a", ("memory.max", "memory.current", ""), "max\n", "5\n"),
        ("two", ("memory.max", "memory.current", ""), "2000\n", "1100\n"),
        ("one/memory/c", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"), "1000\n", "700\n"),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / names[0]).write_text(limit)
        (tmp_path / folder / names[1]).write_text(used)
        counts = f"anon 8\n{names[2]}inactive_file 150\n{names[2]}active_file 50\n"
        (tmp_path / folder / "memory.stat").write_text(counts)
    (tmp_path / "own2").write_text("0::/a/b\n")
    (tmp_path / "own1").write_text("3:cpuset:/c\n2:cpu,memory:/c/not/seen/inside\n0::/\n")
    assert list(main_memory._of_control_groups(tmp_path / "own2", tmp_path / "two")) == [500, 1100]
    assert list(main_memory._of_control_groups(tmp_path / "own1", tmp_path / "one")) == [500]
    assert list(main_memory._of_control_groups(tmp_path / "none", tmp_path / "one")) == []


def test_the_least_of_what_is_known_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=900))
    for groups, expected in (([1000, 600], 600), ([1000], 900), ([-5], 0), ([], 900)):
        monkeypatch.setattr(main_memory, "_of_control_groups", lambda groups=groups: iter(groups))
        assert main_memory.available() == expected


# Properties.


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_inside_more_is_refused_and_afterwards_it_is_given() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with main_memory.at_most(2**27):
        torch.empty(2**26, dtype=torch.uint8)
        with pytest.raises(RuntimeError, match=r"can't allocate memory|not enough memory"):
            torch.empty(2**27 + main_memory._stacks() + 2**26, dtype=torch.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    torch.empty(2**28 + main_memory._stacks(), dtype=torch.uint8)


# Faults.

PROGRAM = """
import importlib.util, sys, torch
spec = importlib.util.spec_from_file_location("main_memory", sys.argv[1])
main_memory = importlib.util.module_from_spec(spec)
spec.loader.exec_module(main_memory)
try:
    with main_memory.at_most(2**20):
        kept = [torch.ones(2**18).exp() for _ in range(2000)]
except RuntimeError as error:
    print("allocate memory" in str(error) or "enough memory" in str(error))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_with_one_megabyte_left_there_is_an_error_and_not_the_end_of_the_process() -> None:
    """In a process of its own, whose threads did not start before: without memory for one, the library would exit."""
    given = [sys.executable, "-c", PROGRAM, str(Path(main_memory.__file__))]
    environment = {**os.environ, "OMP_NUM_THREADS": "4"}
    ran = subprocess.run(given, capture_output=True, text=True, check=False, timeout=200, env=environment)
    assert (ran.returncode, ran.stdout.strip()) == (0, "True"), ran.stderr[-2000:]
