"""What another training has left in the folder of a run that begins from a checkpoint of elsewhere."""

from collections.abc import Collection, Sequence
from pathlib import Path

from medix.callbacks.own_checkpoints import holds
from medix.durable_files import set_aside
from medix.reporting.evaluations import FILES

_PATTERNS = (
    "spec.yaml",
    "spec.from-step-*.yaml",
    "completions",
    "report.*",
    *FILES,
    "verification.json",
    "logs/version_*",
)


def set_earlier_run_aside(
    folder: Path, checkpoints: Sequence[tuple[int, Path]], given: Path | None, in_use: Collection[Path]
) -> bool:
    """Rename what is of another training to ``superseded-*``: spec, records, report, evaluations, verification, logs.

    They would pass for those of the steps that this one has made elsewhere.

    Args:
        folder: of the run.
        checkpoints: steps and paths of those in it; without any there is no run.
        given: the checkpoint from which training goes on; None without.
        in_use: folders of the logs of this start.

    Returns:
        Whether there was another training.
    """
    if given is None or not checkpoints or holds(checkpoints, given):
        return False
    used = {path.resolve() for path in in_use}
    for pattern in _PATTERNS:
        for path in sorted(folder.glob(pattern)):
            if path.resolve() not in used:
                set_aside(path)
    return True
