"""Files and folders whose new names are on disk when a call returns."""

import os
import shutil
from itertools import count
from pathlib import Path


def sync(path: Path) -> None:
    """Flush a file, or a folder with its contents, to disk."""
    for entry in [path, *path.rglob("*")] if path.is_dir() else [path]:
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def rename(source: Path, target: Path) -> None:
    """Rename, and flush the names to disk. An existing folder is moved aside first, since it cannot be replaced.

    Where that was interrupted, the next folder that gets the name deletes the one that was moved aside.
    """
    is_folder = source.is_dir() and not source.is_symlink()
    aside = target.with_name(f".{target.name}.old")
    if target.is_dir() and not target.is_symlink():
        delete(aside)
        target.rename(aside)
        is_folder = True
    source.replace(target)
    _sync_names(target.parent)
    if is_folder:
        delete(aside)


def set_aside(path: Path) -> None:
    """Rename a file or folder to ``superseded-*``; nothing that was set aside before is replaced."""
    names = (f"superseded-{f'{number}-' if number > 1 else ''}{path.name}" for number in count(1))
    rename(path, next(one for name in names if not os.path.lexists(one := path.with_name(name))))


def _sync_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete(path: Path) -> None:
    """Delete a file, a link, or a folder with its contents, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder with its contents."""
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)
