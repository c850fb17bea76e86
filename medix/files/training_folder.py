"""The folder in which a run was trained."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def in_training_folder(run: Path, settings: Any) -> Iterator[None]:
    """Change to the folder that relative paths of the spec count from: the working directory of the training run.

    It follows from the run's folder and ``trainer.default_root_dir`` if that is relative; otherwise the working
    directory stays.
    """
    root = Path((settings.get("trainer") or {}).get("default_root_dir") or "")
    depth = len(root.parts)
    home = Path.cwd()
    if not root.is_absolute() and run.parts[len(run.parts) - depth :] == root.parts:
        home = run.parents[depth - 1] if depth else run
    with contextlib.chdir(home):
        sys.path.insert(0, str(home))  # the user's own classes
        try:
            yield
        finally:
            sys.path.remove(str(home))
