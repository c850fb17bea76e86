"""Which checkpoints are of the training that goes on in the folder of a run.

A training may begin from a checkpoint of another folder, or from one that was set aside. Numbers of steps then do not
tell whose a file is: every checkpoint holds the digests of those that were there before it, pruned or not.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from medix.files.checkpoint_content import digest_of
from medix.modules import checkpoint_file
from medix.modules.checkpoint_file import DamagedCheckpointError


def lineage(
    files: Sequence[tuple[int, Path]], step: int, given: Path | None, written: Mapping[int, str | None] | None
) -> dict[int, str | None]:
    """Digests of the checkpoints of the folder that a training comes of, by step, also of those that were pruned.

    Args:
        files: steps and paths of the checkpoints in the folder.
        step: from which training goes on, 0 for one that begins.
        given: the checkpoint that it goes on from; None without. Of one from elsewhere only what is here counts.
        written: digests of those that its training wrote before, by step; None for a checkpoint of an earlier version,
            which does not know them: then those of earlier steps beside it are.
    """
    here = {number: digest_of(path) for number, path in files}
    if written is None:
        written = here if given is not None and holds(files, given) else {}
    known = {number: digest for number, digest in written.items() if number <= step}
    if given is not None:
        known[step] = digest_of(given)
    if given is None or is_of_run(files, given):
        return known
    return {number: digest for number, digest in known.items() if number in here and here[number] == digest}


def own_checkpoints(files: Sequence[tuple[int, Path]], known: Mapping[int, str | None]) -> list[int]:
    """Steps of the files that are of the training.

    Args:
        files: steps and paths of the checkpoints in the folder.
        known: the ``lineage`` of the training.
    """
    return [number for number, path in files if number in known and known[number] == digest_of(path)]


def is_of_run(files: Sequence[tuple[int, Path]], given: Path) -> bool:
    """Whether a checkpoint is one of the files, or was until it was pruned or damaged: each lists those before it.

    The newest one that can be read is asked, since it lists the most. It is later than the given one and lists that, or
    it is earlier and is listed there: then the files behind it are damaged.
    """
    if holds(files, given):
        return True
    for _, path in reversed(files):
        listed = _listed(path)
        if listed is not None:
            return digest_of(given) in listed or digest_of(path) in (_listed(given) or ())
    return False  # nothing there says whose the files are


def _listed(path: Path) -> set[str] | None:
    """Digests of the checkpoints that were there before this one; None if it cannot be read."""
    try:
        states = checkpoint_file.read(path, checks_tensors=False).get("callbacks", {}).values()
    except (OSError, DamagedCheckpointError):
        return None
    return {digest for state in states for digest in (state.get("written") or {}).values() if digest is not None}


def holds(files: Sequence[tuple[int, Path]], given: Path) -> bool:
    """Whether a checkpoint is one of the files, or has the content of one."""
    digest = digest_of(given)
    return any(given.exists() and path.samefile(given) for _, path in files) or (
        digest is not None and digest in [digest_of(path) for _, path in files]
    )
