"""Two processes that train together, as a launcher such as torchrun starts them, and run several commands in turn.

Starting a process takes longer than a small run, so one pair serves all of them.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 1800


@dataclass(frozen=True)
class Said:
    """What the processes printed, the exit status of every command, and how each process ended (below 0: a signal)."""

    status: list[int]
    output: str
    ended: dict[int, int]


def run_on_ranks(folder: Path, commands: Sequence[Sequence[str]], ranks: int = 2) -> "subprocess.Popen[str]":
    """Start ``python -m medix`` commands on some ranks; ``wait_for`` ends them.

    Args:
        folder: working directory.
        commands: words after ``medix``; the next starts when every rank is through.
        ranks: processes.
    """
    path = folder / f"commands-{ranks}.json"
    path.write_text(json.dumps([list(command) for command in commands]))
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.ranks", str(path), str(ranks)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "PYTHONFAULTHANDLER": "1",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "200",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
    )


def wait_for(process: "subprocess.Popen[str]") -> Said:
    """The end of ``run_on_ranks``; the status is that of rank 0."""
    output, _ = process.communicate(timeout=TIMEOUT)
    status = [int(number) for number in re.findall(r"STATUS (\d+);", output)]
    ended = {int(rank): int(code) for rank, code in re.findall(r"RANK (\d+) ended with (-?\d+);", output)}
    return Said(status, output, ended)


def _start(path: str, ranks: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "GROUP_RANK": 0, "MASTER_ADDR": "127.0.0.1"}
    shared |= {"MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.ranks", path],
            env={**os.environ, **{k: str(v) for k, v in (shared | {"RANK": rank, "LOCAL_RANK": rank}).items()}},
        )
        for rank in range(ranks)
    ]
    # A rank that is killed leaves the others in a broken connection, and their traces say nothing of it.
    ended: dict[int, int] = {}
    while len(ended) < ranks:
        for rank, process in enumerate(processes):
            if rank not in ended and process.poll() is not None:
                ended[rank] = process.returncode
                sys.stdout.write(f"RANK {rank} ended with {process.returncode};\n")
                sys.stdout.flush()
        time.sleep(0.05)


def _serve(path: str) -> None:
    from medix.__main__ import main

    sys.path.insert(0, os.getcwd())
    for words in json.loads(Path(path).read_text()):
        try:
            status = main(words)
        except BaseException:  # noqa: BLE001  # the next command is tried all the same; the test sees the status
            traceback.print_exc()
            status = 70
        if os.environ["RANK"] == "0":
            sys.stdout.write(f"STATUS {status};\n")
            sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 2:
        _start(sys.argv[1], int(sys.argv[2]))
    else:
        _serve(sys.argv[1])
