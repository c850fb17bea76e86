"""Main memory: how much of it can be had, and a limit so that a process finds its end before the system ends it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import torch

_STACK = 2**23  # bytes, where the system sets no limit


def available() -> int | None:
    """Bytes of main memory that can be had without swapping; None where the system does not say."""
    known = [*_of_machine(), *_of_control_groups()]
    return max(0, min(known)) if known else None


def _of_machine() -> Iterator[int]:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return  # not Linux
    yield from (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def _of_control_groups(own: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> Iterator[int]:
    """What the limits of a container leave, those of the groups around it included (versions 1 and 2)."""
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
    """What one control group leaves; files that were read are dropped from memory before anything is refused."""
    try:
        most, used = (folder / limit).read_text().strip(), int((folder / usage).read_text())
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except OSError:
        return  # a container sees its own group only, under the name of the outermost
    if most != "max":
        yield int(most) - used + sum(int(counts.get(f"{prefix}{kind}_file", 0)) for kind in ("active", "inactive"))


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Memory that the process asks for inside, above so many bytes more, is refused with an error (Linux).

    Threads of torch are started before, and no others should start inside: one that finds no memory ends the process.
    """
    _start_threads()
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = mapped + size + _stacks()
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _start_threads() -> None:
    """Have torch start its threads: the library under it ends the process if one cannot be started."""
    size = torch.get_num_threads() * 2**16  # numbers; fewer would not be shared by all threads
    with torch.enable_grad():
        torch.ones(size, requires_grad=True).exp().sum().backward()  # type: ignore[no-untyped-call]


def _stacks() -> int:
    """Address space for the stacks of threads that end and start again within a pass."""
    size, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return torch.get_num_threads() * (_STACK if size == resource.RLIM_INFINITY else size)
