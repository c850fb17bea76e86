"""Rates of wrong credit and refusals, counted by hand on a few pairs."""

import gzip
import json
from pathlib import Path

import pytest

from tools.bench_facts import main

PAIRS = [
    # reference, answer, equal, by, debatable
    ("5 mm", "0.5 cm", True, "form", ""),
    ("left lung", "the lung on the left side", True, "knowledge", ""),
    ("left lung", "right lung", False, "none", ""),
    ("pneumonia", "?pneumonia", False, "none", "a question mark may mean nothing"),
    ("grade II", "grade two or so", True, "form", ""),
    ("no no", "no", True, "form+", ""),
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_rates_and_misses_are_those_of_the_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One wrong pair that is not debatable, two by form of which one is refused, one by a further form, refused."""
    keys = ("reference", "answer", "equal", "by", "debatable")
    pairs = write(tmp_path / "pairs.jsonl", [dict(zip(keys, pair, strict=True)) for pair in PAIRS])
    labels = write(
        tmp_path / "labels.jsonl.gz",
        [
            {"prediction": "left", "references": ["right", "Left"], "human_label": True, "system": "fid"},
            {"prediction": "left", "references": ["right"], "human_label": True, "system": "fid"},
            {"prediction": "right", "references": ["right"], "human_label": False, "system": "fid"},
            {"prediction": "right", "references": ["right"], "human_label": True, "system": "other"},
        ],
    )
    out = tmp_path / "facts.json"
    assert main(["--pairs", str(pairs), "--labels", str(labels), "--json", str(out)]) == 0
    found = json.loads(out.read_text())
    assert (found["exact_wrong_credit"]["count"], found["exact_wrong_credit"]["of"]) == (0, 1)
    assert found["exact_refused_form"] == {
        "count": 1, "of": 2, "share": 0.5, "misses": [["grade II", "grade two or so"]]
    }  # fmt: skip
    assert (found["exact_refused_more_form"]["count"], found["embedding_wrong_credit"]["count"]) == (1, 0)
    assert found["microseconds_per_unseen_pair"] > 0
    exact, *embedding = found["against_people"]
    assert exact == {"precision": 0.5, "recall": 0.5, "credited": 2, "by": "exact", "threshold": None}
    assert [row["threshold"] for row in embedding[:8]] == [0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
    assert "'grade II' / 'grade two or so'" in capsys.readouterr().out


@pytest.mark.parametrize(("content", "told"), [('{"answer": "a"}\n', "line 1: no key 'reference'"), ("{", "line 1")])
def test_a_file_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, told: str
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(content)
    assert main(["--pairs", str(path)]) == 2
    assert told in capsys.readouterr().err
    assert main(["--pairs", str(tmp_path / "nothing.jsonl")]) == 2
