"""A run, or its folder of checkpoints, where a model is expected."""

import shlex
from pathlib import Path


def of_a_run(path: Path) -> str:
    """What to give in place of the folder of a run; empty for anything that is none.

    Args:
        path: that was given as a model.
    """
    if (path / "config.json").is_file() or not path.is_dir():
        return ""
    folder = path if path.name == "checkpoints" else path / "checkpoints"
    saved = sorted(folder.glob("*.ckpt"), key=lambda one: one.name) if folder.is_dir() else []
    if not saved and not (path / "spec.yaml").is_file():
        return ""
    if not saved:
        return "is the folder of a run that has no checkpoint yet; give a model, or a checkpoint of another run"
    output = shlex.join(["python", "-m", "medix", "export", "--checkpoint", str(saved[-1]), "--output", "DIR"])
    return (
        f"is the folder of a run, not a model; give one of its checkpoints, such as {shlex.quote(str(saved[-1]))}, or "
        f"the folder that this writes: {output}"
    )
