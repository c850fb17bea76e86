"""The folders of the parts of a data set, such as ``train`` and ``val``, in the folder of its build."""

import re
from contextlib import suppress
from pathlib import Path

_LISTS_SHARDS = re.compile(rb"^shards:", re.MULTILINE)


def part_folders(folder: Path) -> list[Path]:
    """Folders in a folder that hold manifests; other YAML files make none, and hidden folders are passed over."""
    found: dict[Path, None] = {}
    for path in sorted(folder.glob("[!.]*/*.yaml")):
        with suppress(OSError):
            if path.parent not in found and _LISTS_SHARDS.search(path.read_bytes()):
                found[path.parent] = None
    return list(found)
