"""Two processes that train together, as a launcher such as torchrun starts them, and run several commands in turn.

Starting a process takes longer than a small run, so one pair serves all of them.
"""

import faulthandler
import os
import re
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import warm

TIMEOUT = 1800


@dataclass(frozen=True)
class Said:
    """What the processes printed, the exit status of every command, and how each process ended (below 0: a signal)."""

    status: list[int]
    output: str
    ended: dict[int, int]


def run_on_ranks(folder: Path, commands: Sequence[Sequence[str]], ranks: int = 2) -> Said:
    """``python -m medix`` commands on some ranks.

    Args:
        folder: working directory.
        commands: words after ``medix``; the next starts when every rank is through.
        ranks: processes.

    Returns:
        What they said; the statuses are those of rank 0.
    """
    output = folder / f"ranks-{ranks}.log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "GROUP_RANK": 0, "MASTER_ADDR": "127.0.0.1"}
    shared |= {"MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test"}
    processes = []
    for rank in range(ranks):
        environment = {name: str(value) for name, value in (shared | {"RANK": rank, "LOCAL_RANK": rank}).items()}
        processes.append(warm.start(_serve, commands, folder=folder, stdout=output, stderr=output, **environment))
    # A rank that is killed leaves the others in a broken connection, and their traces say nothing of it.
    ended: dict[int, int] = {}
    end = time.monotonic() + TIMEOUT
    while len(ended) < ranks and time.monotonic() < end:
        for rank, process in enumerate(processes):
            if rank not in ended and process.exitcode is not None:
                ended[rank] = process.exitcode
        time.sleep(0.05)
    for process in processes:
        process.kill()
    said = output.read_text(encoding="utf-8", errors="replace")
    assert len(ended) == ranks, said[-6000:]
    return Said([int(number) for number in re.findall(r"STATUS (\d+);", said)], said, ended)


def _serve(commands: Sequence[Sequence[str]]) -> int:
    from medix.__main__ import main

    faulthandler.enable()
    for words in commands:
        try:
            status = main(list(words))
        except BaseException:  # noqa: BLE001  # the next command is tried all the same; the test sees the status
            traceback.print_exc()
            status = 70
        if os.environ["RANK"] == "0":
            sys.stdout.write(f"STATUS {status};\n")
            sys.stdout.flush()
    return 0
