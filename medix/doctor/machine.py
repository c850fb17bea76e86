"""The machine that a spec is compared with: its GPUs and its free memory."""

import os
import re
import shutil
import socket
import subprocess
from dataclasses import dataclass

from medix.main_memory import available

GIB = 2**30
_QUERY = ("index", "uuid", "name", "memory.total", "memory.used")
_PLANNED = re.compile(r"(\d+)x(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class GPU:
    """One GPU.

    Attributes:
        index: its number in ``nvidia-smi``.
        name: product name.
        total: bytes of memory.
        used: bytes in use.
        uuid: its UUID, which ``CUDA_VISIBLE_DEVICES`` may name.
    """

    index: int
    name: str
    total: int
    used: int = 0
    uuid: str = ""

    @property
    def free(self) -> int:
        """Bytes not in use."""
        return self.total - self.used


@dataclass(frozen=True)
class Machine:
    """What is available for a run.

    Attributes:
        gpus: all of them, including those that ``CUDA_VISIBLE_DEVICES`` hides.
        visible: indices of the GPUs that training sees, in the order in which it sees them.
        memory: bytes of free main memory.
        is_planned: whether the GPUs were given on the command line instead of read from this machine.
    """

    gpus: tuple[GPU, ...] = ()
    visible: tuple[int, ...] = ()
    memory: int = 0
    is_planned: bool = False

    @classmethod
    def here(cls, seconds: float = 20.0) -> "Machine":
        """This machine.

        Args:
            seconds: time limit of ``nvidia-smi``.

        Raises:
            OSError: ``nvidia-smi`` is installed but fails or hangs.
        """
        gpus = _gpus(seconds)
        return cls(gpus, _visible(gpus, os.environ.get("CUDA_VISIBLE_DEVICES")), available())

    @classmethod
    def planned(cls, text: str) -> "Machine":
        """This machine, with other GPUs.

        Args:
            text: ``8x80`` for eight GPUs of 80 GiB.

        Raises:
            ValueError: the text has another form.
        """
        found = _PLANNED.fullmatch(text.strip().lower().removesuffix("gib").removesuffix("gb"))
        if found is None:
            raise ValueError(f"--gpus {text}: expected COUNTxGIB, for example 8x80 for eight GPUs of 80 GiB")
        size = int(float(found[2]) * GIB)
        gpus = tuple(GPU(index, "planned", size) for index in range(int(found[1])))
        return cls(gpus, tuple(range(len(gpus))), available(), is_planned=True)

    def is_local(self, host: str) -> bool:
        """Whether a host name or address is that of this machine."""
        return host in {"localhost", "0.0.0.0", "::1", "::", socket.gethostname()} or host.startswith("127.")

    def gpu(self, index: int) -> GPU:
        """The GPU with that index."""
        return next(gpu for gpu in self.gpus if gpu.index == index)


def gib(count: float) -> str:
    """A number of bytes as text, in GiB or MiB."""
    return f"{count / GIB:.1f} GiB" if count >= GIB / 10 else f"{count / 2**20:.1f} MiB"


def _gpus(seconds: float) -> tuple[GPU, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return _gpus_from_torch()
    words = [program, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    try:
        ended = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"nvidia-smi did not answer within {seconds:g} s; the driver may hang, restart it") from error
    if ended.returncode != 0:
        output = (ended.stderr or ended.stdout).strip().splitlines()
        raise OSError(f"nvidia-smi ended with status {ended.returncode}: {output[0] if output else 'no output'}")
    return parse_gpus(ended.stdout)


def parse_gpus(table: str) -> tuple[GPU, ...]:
    """GPUs from the output of ``nvidia-smi``: index, UUID, name, total MiB, used MiB."""
    found = []
    for line in table.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == len(_QUERY) and parts[3].isdigit() and parts[4].isdigit():
            found.append(GPU(int(parts[0]), parts[2], int(parts[3]) * 2**20, int(parts[4]) * 2**20, parts[1]))
    return tuple(found)


def _gpus_from_torch() -> tuple[GPU, ...]:
    """The GPUs that torch sees, for containers without ``nvidia-smi``."""
    import torch

    found = []
    for index in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(index)
        found.append(GPU(index, torch.cuda.get_device_name(index), total, total - free))
    return tuple(found)


def _visible(gpus: tuple[GPU, ...], limited: str | None) -> tuple[int, ...]:
    """Indices of the GPUs in ``CUDA_VISIBLE_DEVICES``, up to its first invalid entry, as CUDA reads it."""
    if limited is None:
        return tuple(gpu.index for gpu in gpus)
    left = []
    for word in filter(None, (part.strip() for part in limited.split(","))):
        named = [g.index for g in gpus if str(g.index) == word or (word.startswith("GPU-") and g.uuid.startswith(word))]
        if not named:
            break
        left.append(named[0])
    return tuple(left)
