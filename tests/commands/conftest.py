"""A small data set in a JSON lines file."""

import json
from pathlib import Path

import pytest

from medix.__main__ import main as medix
from tests.data.conftest import picture

SAID = ["--licence", "CC0-1.0", "--deidentification", "nobody is shown"]


def shards(words: list[str]) -> int:
    return medix(["shards", *words])


@pytest.fixture
def jsonl_rows(tmp_path: Path) -> Path:
    """Three rows of two modalities with one image, and one of text."""
    (tmp_path / "a.png").write_bytes(picture(4))
    lines = [
        {"id": f"{i}", "image": ["a.png"], "source": "s", "problem": f"q{i}", "solution": f"<{tag}>\nr{i}", "case": "c"}
        for i, tag in enumerate(["CT_SCAN", "MRI_SCAN", "CT_SCAN"])
    ]
    lines.append({"id": "t", "image": [], "source": "s", "problem": "q", "solution": "r"})
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return tmp_path / "rows.jsonl"
