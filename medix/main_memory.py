"""Main memory: how much is available, and a limit, so that allocation fails before the OOM killer acts."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import psutil
import torch

_STACK = 2**23  # bytes, where the system sets no limit


def available() -> int:
    """Bytes of main memory that this process can take without swapping: of the machine, or of its container."""
    # psutil knows nothing of control groups
    of_machine: int = psutil.virtual_memory().available
    return max(0, min([of_machine, *_of_control_groups()]))


def _of_control_groups(own: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> Iterator[int]:
    """Bytes left under the limits of this control group and of those around it (cgroup versions 1 and 2)."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        inside = PurePosixPath(path.lstrip("/"))
        for folder in (inside, *inside.parents):
            if not controllers:
                yield from _room(mounted / folder, "memory.max", "memory.current", "")
            elif "memory" in controllers.split(","):
                yield from _room(
                    mounted / "memory" / folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
                )


def _room(folder: Path, limit: str, usage: str, prefix: str) -> Iterator[int]:
    """Bytes left under the limit of one control group; its page cache counts as free."""
    try:
        most, used = (folder / limit).read_text().strip(), int((folder / usage).read_text())
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except OSError:
        return  # a container sees its own group only, as the root of the hierarchy
    if most != "max":
        yield int(most) - used + sum(int(counts.get(f"{prefix}{kind}_file", 0)) for kind in ("active", "inactive"))


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Refuse allocations inside that would take the process more than ``size`` bytes above its present size.

    They raise an error. On other systems than Linux there is no limit. Threads of torch are started first, and no
    others should start inside: one that finds no memory ends the process.
    """
    if sys.platform != "linux":
        yield
        return
    _start_threads()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = psutil.Process().memory_info().vms + size + _stacks()
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _start_threads() -> None:
    """Have torch start its threads: OpenMP ends the process if one cannot be started."""
    size = torch.get_num_threads() * 2**16  # elements; fewer would not be split over all threads
    with torch.enable_grad():
        torch.ones(size, requires_grad=True).exp().sum().backward()  # type: ignore[no-untyped-call]


def _stacks() -> int:
    """Address space for the stacks of threads that end and start again within a pass."""
    size, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return torch.get_num_threads() * (_STACK if size == resource.RLIM_INFINITY else size)
