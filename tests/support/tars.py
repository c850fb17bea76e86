"""Tars in WebDataset's layout, as other programs write them."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any


def tar(path: Path, samples: dict[str, dict[str, Any]]) -> Path:
    """Members by key and extension: bytes, or an object for JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for key, members in samples.items():
            for extension, content in members.items():
                data = content if isinstance(content, bytes) else json.dumps(content).encode()
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return path
