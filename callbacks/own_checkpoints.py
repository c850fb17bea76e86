"""Which checkpoints in the folder of a run are of the training that goes on in it.

A training may begin from a checkpoint of another folder, or from one that was set aside. Numbers of steps then do not
tell whose a file is: every checkpoint holds the digests of those that its training wrote before it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from medix.checkpoint_content import digest_of


def own_checkpoints(
    files: Sequence[tuple[int, Path]], step: int, given: Path | None, written: Mapping[int, str | None] | None
) -> dict[int, str | None]:
    """Digests of the files that are of the training, by step.

    Args:
        files: steps and paths of the checkpoints in the folder.
        step: from which training goes on, 0 for one that begins.
        given: the checkpoint that it goes on from; None without.
        written: digests of those that its training wrote before, by step; None for a checkpoint of an earlier version,
            which does not know them: then those of earlier steps beside it are.
    """
    here = {number: digest_of(path) for number, path in files if number <= step}
    if written is None:
        written = here if given is not None and holds(files, given) else {}
    known = {**written} if given is None else {**written, step: digest_of(given)}
    return {number: digest for number, digest in here.items() if number in known and known[number] == digest}


def holds(files: Sequence[tuple[int, Path]], given: Path) -> bool:
    """Whether a checkpoint is one of the files, or has the content of one."""
    digest = digest_of(given)
    return any(given.exists() and path.samefile(given) for _, path in files) or (
        digest is not None and digest in [digest_of(path) for _, path in files]
    )
