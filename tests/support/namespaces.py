"""Two machines as network namespaces of this one, 10.77.0.1 and 10.77.0.2, joined by a cable; torchrun in each.

The namespaces have no names and live as long as the process that holds each, so that nothing is left behind.
"""

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.support import warm
from tests.support.runs import ROOT

ADDRESSES = ("10.77.0.1", "10.77.0.2")
PORT = 29500
"""Free in a new namespace, whatever this machine runs."""
LIMIT = 600
"""Seconds until a run counts as hanging."""
_SCRIPT = ROOT / "medix" / "__main__.py"
_NEW_NETWORK = 0x40000000


@contextmanager
def two_machines() -> Iterator[list[int]]:
    """The processes that hold them."""
    with ExitStack() as stack:
        holders = [stack.enter_context(_holder()) for _ in ADDRESSES]
        one, other = map(str, holders)
        _run("ip", "link", "add", "eth0", "netns", one, "type", "veth", "peer", "name", "eth0", "netns", other)
        for holder, address in zip(holders, ADDRESSES, strict=True):
            for words in (
                ["addr", "add", f"{address}/24", "dev", "eth0"],
                ["link", "set", "eth0", "up"],
                ["link", "set", "lo", "up"],
            ):
                _run(*entered(holder), "ip", *words)
        yield holders


def entered(holder: int) -> list[str]:
    """The beginning of a command that runs on that machine."""
    return ["nsenter", f"--net=/proc/{holder}/ns/net"]


def torchrun(
    holder: int, options: Sequence[str], words: Sequence[str], folder: Path, log: Path, **environment: str
) -> BaseProcess:
    """torchrun on one of the machines, with ``medix`` imported already: its worker is forked from it.

    Args:
        holder: of the machine.
        options: of torchrun.
        words: after ``medix``.
        folder: working directory.
        log: file of what it and its workers print.
        environment: added to that of this process.
    """
    command = [*options, "--start-method=fork", "--run-path", str(_SCRIPT), *words]
    return warm.start(_torchrun, holder, command, folder=folder, stdout=log, stderr=log, **ENVIRONMENT, **environment)


ENVIRONMENT = {"GLOO_SOCKET_IFNAME": "eth0", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
"""The name of this machine resolves to the loopback interface, which gloo would take; for the second, specs/cluster."""


def _torchrun(holder: int, command: Sequence[str]) -> int:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    with open(f"/proc/{holder}/ns/net") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "setns")
    try:
        main(list(command))
    except ChildFailedError as error:
        sys.stderr.write(f"torchrun: {error}\n")
        return 1
    return 0


@contextmanager
def _holder() -> Iterator[int]:
    process = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    try:
        end = time.monotonic() + LIMIT
        while os.readlink(f"/proc/{process.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            assert process.poll() is None, "no network namespace can be made"
            assert time.monotonic() < end
            time.sleep(0.01)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def _run(*words: str) -> None:
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{words}: {ended.stderr}"
